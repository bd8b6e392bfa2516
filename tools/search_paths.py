"""Where the expressions of search parameters lead: from FHIRPath to JSON members, by R4's tables.

https://hl7.org/fhir/R4/searchparameter.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Data types that a kind of parameter can look into: https://hl7.org/fhir/R4/search.html#ptypes
TYPES = {
    "token": {
        "Coding",
        "CodeableConcept",
        "Identifier",
        "ContactPoint",
        "code",
        "boolean",
        "string",
        "uri",
        "id",
        "canonical",
        "url",
        "oid",
    },
    "reference": {"Reference", "canonical", "uri", "url"},
    "date": {"date", "dateTime", "instant", "Period", "Timing"},
    "string": {"string", "markdown", "HumanName", "Address"},
    "uri": {"uri", "url", "canonical", "oid", "uuid"},
    "number": {"decimal", "integer", "positiveInt", "unsignedInt", "Range"},
    "quantity": {
        "Quantity",
        "Age",
        "Count",
        "Distance",
        "Duration",
        "Money",
        "Range",
        "SampledData",
    },
}
# Strings inside a data type that a string parameter on it looks at: search.html#string
PARTS = {
    "HumanName": ("family", "given", "prefix", "suffix", "text"),
    "Address": ("line", "city", "district", "state", "postalCode", "country", "text"),
}
# Data types of extensions that R4's own parameters look into.
EXTENDED = {"CodeableConcept", "Coding", "Identifier", "Reference", "code", "string"}


@dataclass(frozen=True)
class Place:
    """Where an expression has come to: an element path, its JSON members, a data type."""

    at: str  # e.g. `Observation.component`, or `Coding` inside a data type
    members: str  # JSON member path, filters in brackets
    key: str  # the same without the data types of a choice
    type: str  # data type; "" while inside a backbone element
    many: bool
    plain: str = ""  # the key before `as` put a data type into it
    system: str = ""  # code system that a required binding of a `code` implies


def of(package: dict[str, dict[str, Any]], type: str) -> Iterator[dict[str, Any]]:
    return (found for name, found in package.items() if name.startswith(f"{type}-"))


class Definitions:
    def __init__(self, package: dict[str, dict[str, Any]]) -> None:
        self.elements: dict[str, dict[str, Any]] = {}
        self.resources: set[str] = set()
        for definition in of(package, "StructureDefinition"):
            if definition["kind"] == "logical" or definition.get("derivation") == "constraint":
                continue
            if definition["kind"] == "resource" and not definition["abstract"]:
                self.resources.add(definition["type"])
            for element in definition["snapshot"]["element"]:
                self.elements[element["path"]] = element
        self.systems = {
            found["url"]: implied(found) for found in of(package, "ValueSet") if "url" in found
        }

    def step(self, place: Place, name: str) -> Iterator[Place]:
        inside = place.type or place.at
        element = self.elements.get(f"{inside}.{name}") or self.elements.get(f"{inside}.{name}[x]")
        if element is None:
            raise KeyError(f"{inside}.{name}")
        prefix = f"{place.members}." if place.members else ""
        key = f"{place.key}.{name}" if place.key else name
        plain = f"{place.plain}.{name}" if place.plain else name
        many = place.many or element["max"] != "1"
        if "contentReference" in element:
            at = element["contentReference"][1:]
            yield Place(at, prefix + name, key, "", many, plain)
            return
        choice = element["path"].endswith("[x]")
        for kind in element["type"]:
            code = kind["code"].removeprefix("http://hl7.org/fhirpath/System.")
            code = "id" if code == "String" and name == "id" else code
            member = name + code[0].upper() + code[1:] if choice else name
            inline = code in {"BackboneElement", "Element"}
            system = self.system(element) if code == "code" else ""
            type = "" if inline else code
            yield Place(element["path"], prefix + member, key, type, many, plain, system)

    def system(self, element: dict[str, Any]) -> str:
        binding = element.get("binding", {})
        if binding.get("strength") != "required":
            return ""
        return self.systems.get(binding.get("valueSet", "").split("|")[0], "")


def implied(value_set: dict[str, Any]) -> str:
    """Return the one code system of a value set, or "" if there is none or more than one."""
    compose = value_set.get("compose", {})
    found = {part.get("system", "") for part in compose.get("include", [])}
    return found.pop() if len(found) == 1 else ""


STEP = re.compile(r"(?P<name>\w+)(?:\((?P<argument>(?:[^()]|\(\))*)\))?(?:\.|$)")


def branches(expression: str, type: str) -> Iterator[str]:
    for part in expression.split("|"):
        plain = re.sub(r"\(([\w.]+) as (\w+)\)", r"\1.as(\2)", part.strip())
        root, _, rest = plain.partition(".")
        if root == type or root in {"Resource", "DomainResource"}:
            yield rest
        elif root in {"name", "alias"}:  # InsurancePlan-name is written without its type
            yield plain


def resolve(definitions: Definitions, type: str, path: str) -> tuple[list[Place], str]:
    """Return the places that a path leads to, and the target type that it is restricted to."""
    places, target, at = [Place(type, "", "", "", False)], "", 0
    while at < len(path):
        step = STEP.match(path, at)
        if step is None:
            raise SyntaxError(path)
        at = step.end()
        name, argument = step["name"], step["argument"]
        if argument is None:
            places = [new for place in places for new in definitions.step(place, name)]
        elif name == "extension":
            places = [new for place in places for new in extended(definitions, place, argument)]
        elif name in {"as", "ofType"}:
            places = [named(place) for place in places if place.type == argument]
        elif name == "where" and argument.startswith("resolve() is "):
            target = argument.removeprefix("resolve() is ")
        elif name == "where" and (found := re.fullmatch(r"(\w+)='([\w-]+)'", argument)):
            places = [filtered(place, f"[{found[1]}={found[2]}]") for place in places]
        else:
            raise SyntaxError(path)
    return places, target


def extended(definitions: Definitions, place: Place, url: str) -> Iterator[Place]:
    """The values of an extension: R4's paths stop at the extension itself."""
    url = url.strip("'")
    members = f"{place.members}.extension[url={url}]".lstrip(".")
    key = f"{place.key}.extension[{url.rpartition('/')[2]}]".lstrip(".")
    start = Place("", members, key, "Extension", many=True, plain=key)
    for value in definitions.step(start, "value"):
        if value.type in EXTENDED:
            yield replace(value, key=key, plain=key)


def named(place: Place) -> Place:
    """A choice narrowed by `as` has the data type in its key: `valueCodeableConcept`."""
    return replace(place, key=place.members)


def filtered(place: Place, filter: str) -> Place:
    return replace(
        place,
        members=place.members + filter,
        key=place.key + filter,
        plain=place.plain + filter,
    )


def paths(kind: str, places: Iterable[Place]) -> Iterator[list[str]]:
    for place in places:
        if place.type not in TYPES[kind]:
            continue
        # Dates of one element have one range key whatever their data type, so that one interval
        # of the index answers `onset as dateTime | onset as Period`.
        key = place.plain if kind == "date" else place.key
        for part in PARTS.get(place.type, ("",)) if kind == "string" else ("",):
            tail = f".{part}" if part else ""
            row = [key + tail, place.members + tail, "string" if part else place.type, place.system]
            yield row if row[3] else row[:3]
