"""One answer of a QuestionnaireResponse: its type, and what may be chosen.

https://hl7.org/fhir/R4/valueset-item-type.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from fhir_server.conformance import bindings
from fhir_server.conformance.enabling import chosen
from fhir_server.conformance.findings import quoted
from fhir_server.fhirpath.node import step

if TYPE_CHECKING:
    from fhir_server.conformance.check import Check
    from fhir_server.fhirpath import Node

_TYPES: Final = {
    "boolean": ("boolean",),
    "decimal": ("decimal",),
    "integer": ("integer",),
    "date": ("date",),
    "dateTime": ("dateTime",),
    "time": ("time",),
    "string": ("string",),
    "text": ("string",),
    "url": ("uri",),
    "choice": ("Coding",),
    "open-choice": ("Coding", "string"),
    "attachment": ("Attachment",),
    "reference": ("Reference",),
    "quantity": ("Quantity",),
}


def check(run: Check, answer: Node, item: Mapping[str, Any], near: str) -> None:
    """Judge one answer to a question."""
    values: list[Node] = []
    step(answer, "value", values)
    for node in values:
        types = _offered(item) or _TYPES.get(str(item["type"]), ())
        if types and node.kind.name not in types:
            listed = " or ".join(f"`{type}`" for type in types)
            said = f"The answer is of type `{node.kind.name}`, expected {listed}."
            run.add(node, "error", "structure", said)
            continue
        longest = item.get("maxLength")
        if isinstance(node.value, str) and isinstance(longest, int) and len(node.value) > longest:
            said = f"The answer has {len(node.value)} characters, {longest} at most."
            run.add(node, "error", "value", said)
        if node.kind.name == "Coding" or item["type"] == "choice":
            _choice(run, node, item, near)


def _options(item: Mapping[str, Any]) -> list[Any]:
    listed = item.get("answerOption")
    options = listed if isinstance(listed, list) else []
    found = [chosen(option, "value") for option in options if isinstance(option, dict)]
    return [value for value in found if value is not None]


def _offered(item: Mapping[str, Any]) -> tuple[str, ...]:
    """A choice may also be among integers, dates, times, strings or references."""
    listed = item.get("answerOption")
    if item["type"] != "choice" or not isinstance(listed, list):
        return ()
    keys = {key for option in listed if isinstance(option, dict) for key in option}
    plain = {"valueInteger": "integer", "valueDate": "date", "valueTime": "time"}
    plain |= {"valueString": "string", "valueReference": "Reference", "valueCoding": "Coding"}
    return tuple(plain[key] for key in sorted(keys) if key in plain)


def _choice(run: Check, node: Node, item: Mapping[str, Any], near: str) -> None:
    options = _options(item)
    if options and not any(_is_option(node.value, option) for option in options):
        shown = node.value.get("code") if isinstance(node.value, dict) else node.value
        said = f"{quoted(shown)} is none of the {len(options)} answers that are offered."
        run.add(node, "error", "code-invalid", said)
    value_set = item.get("answerValueSet")
    if not options and isinstance(value_set, str):
        _member(run, node, value_set, near)


def _is_option(value: Any, option: Any) -> bool:
    if isinstance(value, dict) and isinstance(option, dict):
        names = ("system", "code") if "code" in option else ("display", "reference")
        return all(value.get(name) == option.get(name) for name in names)
    return bool(value == option)


def _member(run: Check, node: Node, value_set: str, near: str) -> None:
    answer = bindings.member(run, node.value, value_set, near)
    if answer is False:
        said = f"The answer is not in the value set `{value_set[:200]}`."
        run.add(node, "error", "code-invalid", said)
    elif answer is None and run.once(value_set):
        said = f"The value set `{value_set[:200]}` cannot be enumerated here; the answer was not judged."
        run.add(node, "information", "informational", said)
