"""Filters of a composition: which concepts of a code system it selects.

https://hl7.org/fhir/R4/valueset-filter-operator.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import re2

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fhir_server.conformance.code_system import CodeSystem, Concept


_LONGEST: Final = 1_000  # characters of a pattern


def admits(system: CodeSystem, rule: Mapping[str, Any], code: str) -> bool | None:
    """Return whether a concept passes one filter; None if it cannot be told."""
    concept = system.concept(code)
    if concept is None:
        return system.has(code)
    operator = _OPERATORS.get(str(rule.get("op", "")))
    if operator is None:
        return None
    return operator(system, concept, str(rule.get("property", "")), str(rule.get("value", "")))


def _is_a(system: CodeSystem, concept: Concept, _: str, value: str) -> bool:
    return concept.code == value or value in system.ancestors(concept.code)


def _descends(system: CodeSystem, concept: Concept, _: str, value: str) -> bool:
    return value in system.ancestors(concept.code)


def _is_not_a(system: CodeSystem, concept: Concept, name: str, value: str) -> bool:
    return not _is_a(system, concept, name, value)


def _generalizes(system: CodeSystem, concept: Concept, _: str, value: str) -> bool:
    return concept.code == value or concept.code in system.ancestors(value)


def _equals(system: CodeSystem, concept: Concept, name: str, value: str) -> bool:
    return value in _texts(system, concept, name)


def _in(system: CodeSystem, concept: Concept, name: str, value: str) -> bool:
    wanted = {part.strip() for part in value.split(",")}
    return not wanted.isdisjoint(_texts(system, concept, name))


def _not_in(system: CodeSystem, concept: Concept, name: str, value: str) -> bool:
    return not _in(system, concept, name, value)


def _exists(system: CodeSystem, concept: Concept, name: str, value: str) -> bool:
    return bool(_texts(system, concept, name)) == (value == "true")


def _matches(system: CodeSystem, concept: Concept, name: str, value: str) -> bool | None:
    options = re2.Options()
    options.log_errors = False
    try:
        # Linear time, whoever wrote it.
        pattern = re2.compile(value[:_LONGEST], options)  # type: ignore[no-untyped-call]  # it has no types
    except re2.error:
        return None
    return any(pattern.fullmatch(text) is not None for text in _texts(system, concept, name))


def _texts(system: CodeSystem, concept: Concept, name: str) -> set[str]:
    """Return the values of a property, those that every concept has included."""
    if name in {"code", "concept"}:
        return {concept.code}
    if name == "display":
        return {concept.display}
    if name in {"parent", "subsumedBy"}:
        return set(concept.parents)
    if name == "child":
        return {c.code for c in system.concepts.values() if concept.code in c.parents}
    return {_text(value) for key, value in concept.properties if key == name}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


_OPERATORS: Final[dict[str, Callable[[CodeSystem, Concept, str, str], bool | None]]] = {
    "=": _equals,
    "is-a": _is_a,
    "descendent-of": _descends,
    "is-not-a": _is_not_a,
    "generalizes": _generalizes,
    "regex": _matches,
    "in": _in,
    "not-in": _not_in,
    "exists": _exists,
}
