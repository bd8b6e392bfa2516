"""Compile the R4 search parameters and compartments into `profiles/r4/*.json`: facts only, no prose.

https://hl7.org/fhir/R4/searchparameter-registry.html

    python -m tools.compile_search PACKAGE

PACKAGE is the original `hl7.fhir.r4.core-4.0.1.tgz`. Each expression is
resolved against the StructureDefinitions into the JSON members it visits, so that the server needs
no FHIRPath to index. Several parameters on one element share its key: one fact, one token.
"""

from __future__ import annotations

import json
import re
import sys
import tarfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

from tools.manifest import record

OUT = Path(__file__).resolve().parents[1] / "profiles" / "r4"

WANTED = {"StructureDefinition", "SearchParameter", "ValueSet", "CompartmentDefinition"}

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
}
# Strings inside a data type that a string parameter on it looks at: search.html#string
PARTS = {
    "HumanName": ("family", "given", "prefix", "suffix", "text"),
    "Address": ("line", "city", "district", "state", "postalCode", "country", "text"),
}
REGISTRY = "http://hl7.org/fhir/SearchParameter/"
COMMON = "Resource"  # where the parameters that every type has are kept
# What the expression computes; `fhir_server/search/extract.py` does the same by hand.
COMPUTED = {"Patient-deceased": [["deceased", "deceased[x]", "boolean"]]}
# The date that a clinician sorts by, best first, for types where it is not `date`. Our choice.
PRIMARY = {
    "Account": ["period"],
    "Basic": ["created"],
    "Bundle": ["timestamp"],
    "ChargeItem": ["occurrence", "entered-date"],
    "Claim": ["created"],
    "ClaimResponse": ["created"],
    "Communication": ["sent", "received"],
    "CommunicationRequest": ["authored"],
    "Condition": ["onset-date", "recorded-date"],
    "Contract": ["issued"],
    "CoverageEligibilityRequest": ["created"],
    "CoverageEligibilityResponse": ["created"],
    "DetectedIssue": ["identified"],
    "DeviceRequest": ["event-date", "authored-on"],
    "DiagnosticReport": ["date", "issued"],
    "DocumentManifest": ["created"],
    "ExplanationOfBenefit": ["created"],
    "Goal": ["start-date"],
    "ImagingStudy": ["started"],
    "Media": ["created"],
    "MedicationAdministration": ["effective-time"],
    "MedicationDispense": ["whenhandedover", "whenprepared"],
    "MedicationRequest": ["authoredon"],
    "MedicationStatement": ["effective"],
    "NutritionOrder": ["datetime"],
    "PaymentNotice": ["created"],
    "PaymentReconciliation": ["created"],
    "Provenance": ["recorded"],
    "QuestionnaireResponse": ["authored"],
    "RequestGroup": ["authored"],
    "ServiceRequest": ["occurrence", "authored"],
    "Slot": ["start"],
    "Specimen": ["collected"],
    "Task": ["authored-on", "modified"],
    "TestReport": ["issued"],
    "VisionPrescription": ["datewritten"],
}


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


def read(package: Path) -> dict[str, dict[str, Any]]:
    """Return the definitions in a package, by file name, in name order."""
    found = {}
    with tarfile.open(package) as archive:
        for member in archive:
            name = Path(member.name)
            if str(name.parent) == "package" and name.name.split("-")[0] in WANTED:
                content = archive.extractfile(member)
                assert content is not None
                found[name.name] = json.load(content)
    return dict(sorted(found.items()))


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
        elif name == "as":
            places = [named(place) for place in places if place.type == argument]
        elif name == "where" and argument.startswith("resolve() is "):
            target = argument.removeprefix("resolve() is ")
        elif name == "where" and (found := re.fullmatch(r"(\w+)='([\w-]+)'", argument)):
            places = [filtered(place, f"[{found[1]}={found[2]}]") for place in places]
        else:
            raise SyntaxError(path)
    return places, target


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


def compile(package: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    definitions = Definitions(package)
    types: dict[str, dict[str, Any]] = {
        type: {} for type in [COMMON, *sorted(definitions.resources)]
    }
    left: list[str] = []
    for found in of(package, "SearchParameter"):
        if ours(found):
            for type in bases(found, types):
                entry, faults = parameter(definitions, found, type)
                types[type][found["code"]] = entry
                left += faults
    search = {
        "parameters": {type: dict(sorted(found.items())) for type, found in types.items()},
        "primary": {
            type: names for type, found in types.items() if (names := primary(type, found))
        },
    }
    return search, compartments(package), left


def ours(found: dict[str, Any]) -> bool:
    """Parameters on extensions (genetics, examples) are not part of the base specification."""
    expression = found.get("expression", "")
    if re.search(r"-(extensions?|genetic)-|^example", found["id"]):
        return False
    return "xtension(" not in expression and bool(found.get("base"))


def bases(found: dict[str, Any], types: dict[str, Any]) -> list[str]:
    everywhere = {"Resource", "DomainResource"} & set(found["base"])
    return [COMMON] if everywhere else [type for type in found["base"] if type in types]


def parameter(
    definitions: Definitions, found: dict[str, Any], type: str
) -> tuple[dict[str, Any], list[str]]:
    kind, expression = found["type"], found.get("expression", "")
    entry: dict[str, Any] = {"kind": kind, "url": found["url"].removeprefix(REGISTRY)}
    # A phonetic parameter asks for a sound algorithm that is not ours to invent silently.
    if kind not in TYPES or not expression or found.get("xpathUsage") == "phonetic":
        return entry, []
    if found["id"] in COMPUTED:
        return entry | {"paths": COMPUTED[found["id"]]}, []
    rows: list[list[str]] = []
    many, targets, left = False, set(found.get("target", [])), []
    for path in branches(expression, type):
        try:
            places, target = resolve(definitions, type, path)
        except (SyntaxError, KeyError):
            left.append(f"{type}.{found['code']}: {path}")
            continue
        if not (fits := list(paths(kind, places))):
            left.append(f"{type}.{found['code']}: {path} has {[place.type for place in places]}")
        rows += [row for row in fits if row not in rows]
        many = many or any(place.many for place in places)
        targets = {target} if target else targets
    if rows:
        entry["paths"] = rows
    if kind == "reference" and len(targets) < 100:
        entry["targets"] = sorted(targets)
    if many or len({row[0] for row in rows}) > 1:
        entry["many"] = True
    return entry, left


def primary(type: str, found: dict[str, Any]) -> list[str]:
    names = PRIMARY.get(type, ["date"])
    names = [name for name in names if found.get(name, {}).get("kind") == "date"]
    return [name for name in names if "paths" in found[name]]


def compartments(package: dict[str, Any]) -> dict[str, Any]:
    return {
        found["code"]: {row["code"]: row["param"] for row in found["resource"] if row.get("param")}
        for found in of(package, "CompartmentDefinition")
        if found["id"] != "example"
    }


def write(name: str, content: dict[str, Any], package: Path) -> None:
    file = OUT / name
    # One line a member of the first two levels, so that a change is readable.
    lines = [
        f"{json.dumps(key)}:{{\n"
        + ",\n".join(
            f"{json.dumps(k)}:{json.dumps(v, separators=(',', ':'))}" for k, v in part.items()
        )
        + "\n}"
        for key, part in content.items()
    ]
    file.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")
    record(file, made_by="tools/compile_search.py", package=package)


def main() -> None:
    package = Path(sys.argv[1])
    search, found, left = compile(read(package))
    OUT.mkdir(parents=True, exist_ok=True)
    write("search.json", search, package)
    write("compartments.json", found, package)
    for line in sorted(left):
        print(f"not compiled: {line}", file=sys.stderr)


if __name__ == "__main__":
    main()
