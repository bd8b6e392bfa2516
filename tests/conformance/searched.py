"""What to search for so that an example must be found, by the definitions themselves.

https://hl7.org/fhir/R4/search.html#ptypes

Each original SearchParameter's FHIRPath is evaluated on an example; each value that it yields
becomes one criterion. Nothing of the server's own tables and extractors is used.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fhir_server.fhirpath import Node, Options, compile, stub

if TYPE_CHECKING:
    from tests.conformance.examples import Example

NOT_OF_R4: Final = {
    "example",
    "example-extension",
    "example-reference",
    # An example of a profile, with a function that is not of FHIRPath.
    "questionnaireresponse-extensions-QuestionnaireResponse-item-subject",
}
"""Examples of SearchParameters among the definitions."""

CURRENCIES: Final = "urn:iso:std:iso:4217"
_SPECIAL: Final = re.compile(r"([\\,|$])")
_OPTIONS: Final = Options(forgiving=True)
_DATE: Final = re.compile(r"\d{4}(-\d\d){0,2}(T.*)?")


@dataclass(frozen=True, slots=True)
class Definition:
    """One original SearchParameter; `parts` are expression and kind of a composite's parts."""

    id: str
    code: str
    kind: str
    expression: str
    parts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Criterion:
    """`name` with its modifier, and a value: `identifier`, `system|value`."""

    definition: Definition
    name: str
    value: str


def definitions(package: Path) -> dict[str, list[Definition]]:
    """Return the parameters of R4 by the type they are for; `Resource` has those of all."""
    rows = []
    with tarfile.open(package) as archive:
        for member in archive:
            if member.name.startswith("package/SearchParameter-"):
                content = archive.extractfile(member)
                assert content is not None
                rows.append(json.load(content))
    kinds = {row["url"]: row["type"] for row in rows if "url" in row}
    found: dict[str, list[Definition]] = {}
    for row in rows:
        for type in row.get("base", ()) if row["id"] not in NOT_OF_R4 else ():
            parts = tuple(
                (part["expression"], kinds[part["definition"]]) for part in row.get("component", ())
            )
            one = Definition(row["id"], row["code"], row["type"], row.get("expression", ""), parts)
            found.setdefault(type, []).append(one)
    return found


def criteria(example: Example, known: dict[str, list[Definition]]) -> Iterator[Criterion]:
    """Yield what finds an example, for each parameter of its type and each value."""
    for type in (example.type, "DomainResource", "Resource"):
        for definition in known.get(type, ()):
            if definition.expression:
                yield from _criteria(definition, example)


def _criteria(definition: Definition, example: Example) -> Iterator[Criterion]:
    for node in _evaluated(definition.expression, example):
        if definition.kind == "composite":
            halves = [_half(part, kind, node, example) for part, kind in definition.parts]
            for both in product(*halves):
                yield Criterion(definition, definition.code, "$".join(both))
        elif definition.kind in _VALUES:
            for modifier, value in _VALUES[definition.kind](node):
                if not (modifier and definition.code == "phonetic"):  # a sound has no parts
                    yield Criterion(definition, definition.code + modifier, value)


def _half(expression: str, kind: str, node: Node, example: Example) -> list[str]:
    found = _evaluated(expression, example, node)
    pairs = [pair for one in found for pair in _VALUES[kind](one)]
    return [value for modifier, value in pairs if not modifier]


def _evaluated(expression: str, example: Example, context: Node | None = None) -> list[Node]:
    # R4 misspells the type in some composites.
    compiled = compile(expression.replace("as(DateTime)", "as(dateTime)"))
    found = compiled.evaluate(example.resource, context=context, resolve=stub, options=_OPTIONS)
    return [node for node in found if node.value is not None]


Pairs = Iterable[tuple[str, str]]
"""A modifier with its colon, "" for none, and a value."""


def _token(node: Node) -> Pairs:
    value = node.value
    match node.type:
        case "CodeableConcept":
            yield from (pair for coding in value.get("coding", ()) for pair in _coding(coding))
        case "Coding":
            yield from _coding(value)
        case "Identifier":
            yield from _coding({"system": value.get("system"), "code": value.get("value")})
        case "ContactPoint":
            yield from [("", escaped(value["value"]))] if "value" in value else []
        case _ if isinstance(value, bool):
            yield "", str(value).lower()
        case _ if isinstance(value, str):
            yield "", escaped(value)


def _coding(coding: dict[str, Any]) -> Pairs:
    system, code = coding.get("system"), coding.get("code")
    if code:
        yield "", f"{escaped(system or '')}|{escaped(code)}"
        yield "", escaped(code)
    elif system:
        yield "", f"{escaped(system)}|"


def _string(node: Node) -> Pairs:
    texts = node.value
    if isinstance(texts, dict):
        parts = texts.values()
        texts = [one for part in parts for one in (part if isinstance(part, list) else [part])]
        # `use` and `type` are codes, and a period is none of its texts.
        codes = {node.value.get("use"), node.value.get("type")}
        texts = [one for one in texts if isinstance(one, str) and one not in codes]
    for text in [texts] if isinstance(texts, str) else texts:
        words = " ".join(text.split())[:60].strip()
        if words:
            yield "", escaped(words)
            yield ":contains", escaped(words[len(words) // 3 :].strip() or words)


def _date(node: Node) -> Pairs:
    value = node.value
    match node.type:
        case "Period":
            yield from [("", f"ge{value['start']}")] if "start" in value else []
            yield from [("", f"le{value['end']}")] if "end" in value else []
        case "Timing":
            yield from [("", f"ge{event}") for event in value.get("event", ())]
        case "date" | "dateTime" | "instant" if _DATE.fullmatch(str(value)):
            yield "", value
            yield "", f"ge{value}"


def _reference(node: Node) -> Pairs:
    value = node.value
    if node.type != "Reference":
        is_elsewhere = isinstance(value, str) and not value.startswith("#")
        yield from [("", escaped(value))] if is_elsewhere else []
        return
    reference, identifier = value.get("reference", ""), value.get("identifier", {})
    if reference and not reference.startswith("#"):
        yield "", escaped(reference)
    if "value" in identifier:
        yield (
            ":identifier",
            f"{escaped(identifier.get('system', ''))}|{escaped(identifier['value'])}",
        )


def _uri(node: Node) -> Pairs:
    if isinstance(node.value, str):
        yield "", escaped(node.value)


def _number(node: Node) -> Pairs:
    yield "", str(node.value)


def _quantity(node: Node) -> Pairs:
    value = node.value
    if node.type == "Range":
        yield from [("", f"ge{value['low']['value']}")] if "low" in value else []
    elif node.type == "Money":
        yield "", f"{value['value']}|{CURRENCIES}|{value['currency']}"
    elif "value" in value and "comparator" not in value:
        yield "", str(value["value"])
        if "code" in value:
            yield (
                "",
                f"{value['value']}|{escaped(value.get('system', ''))}|{escaped(value['code'])}",
            )
        if "unit" in value:
            yield "", f"{value['value']}||{escaped(value['unit'])}"


_VALUES: Final[dict[str, Callable[[Node], Pairs]]] = {
    "token": _token,
    "string": _string,
    "date": _date,
    "reference": _reference,
    "uri": _uri,
    "number": _number,
    "quantity": _quantity,
}


def escaped(text: str) -> str:
    """https://hl7.org/fhir/R4/search.html#escaping"""
    return _SPECIAL.sub(r"\\\1", text)
