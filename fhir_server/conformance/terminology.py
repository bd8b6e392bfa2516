"""Terminology: whether a code is in a value set, as far as it can be known here.

https://hl7.org/fhir/R4/valueset.html#compositions

Value sets are never expanded: each question is answered by the composition. The answer is None
where the code system is not held here, such as SNOMED CT or LOINC.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from fhir_server.conformance.code_system import CodeSystem, known, syntax
from fhir_server.conformance.concept_filter import admits
from fhir_server.conformance.definitions import split

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from fhir_server.conformance.definitions import Definition, Definitions

_DEEPEST: Final = 16  # value sets that import one another


class Terminology:
    """Value sets and code systems of some definitions.

    `is_unit` says whether a text is a unit of UCUM.
    """

    __slots__ = ("_definitions", "_is_unit")

    def __init__(
        self, definitions: Definitions, is_unit: Callable[[str], bool] | None = None
    ) -> None:
        self._definitions = definitions
        self._is_unit = is_unit

    def member(self, value_set: str, system: str | None, code: str, near: str = "") -> bool | None:
        """Return whether a code is in a value set; without a system, of whichever system."""
        return self._in_set(value_set, system, code, near, 0)

    def exists(self, system: str, code: str) -> bool | None:
        """Return whether a code system has a code."""
        described = self.system(system)
        if described is None:
            return syntax(system, code, self._is_unit)
        return described.has(code)

    def system(self, url: str, near: str = "") -> CodeSystem | None:
        """Return a code system that is held here."""
        found = self._definitions.find("CodeSystem", url, near)
        return known(found) if found is not None else None

    def enumerable(self, value_set: str, near: str = "") -> bool:
        """Return whether there is such a value set at all."""
        return self._definitions.find("ValueSet", value_set, near) is not None

    def _in_set(
        self, value_set: str, system: str | None, code: str, near: str, depth: int
    ) -> bool | None:
        found = self._definitions.find("ValueSet", value_set, near)
        if found is None or depth > _DEEPEST:
            return None
        content, package = _loaded(found), found.package
        compose = content.get("compose") or {}
        answer = self._composed(compose, system, code, package, depth)
        return _expanded(content, system, code) if answer is None else answer

    def _composed(
        self, compose: Mapping[str, Any], system: str | None, code: str, near: str, depth: int
    ) -> bool | None:
        if not compose.get("include"):
            return None
        included = _any(
            self._included(part, system, code, near, depth) for part in compose["include"]
        )
        if included is False:
            return False
        excluded = _any(
            self._included(part, system, code, near, depth) for part in compose.get("exclude", ())
        )
        if excluded:
            return False
        return included if excluded is False else None

    def _included(
        self, part: Mapping[str, Any], system: str | None, code: str, near: str, depth: int
    ) -> bool | None:
        answers: list[bool | None] = [
            self._in_set(other, system, code, near, depth + 1) for other in part.get("valueSet", ())
        ]
        if "system" in part:
            answers.append(self._of_system(part, system, code, near))
        return _all(answers)

    def _of_system(
        self, part: Mapping[str, Any], system: str | None, code: str, near: str
    ) -> bool | None:
        url = split(part["system"])[0]
        if system is not None and system != url:
            return False
        described = self.system(url, near)
        if "concept" in part:
            listed = _listed(part, described)
            return (code if described is None else described.folded(code)) in listed
        if described is None:
            return None if "filter" in part else syntax(url, code, self._is_unit)
        if "filter" in part:
            return _all([admits(described, rule, code) for rule in part["filter"]])
        return described.has(code)


def _listed(part: Mapping[str, Any], described: CodeSystem | None) -> frozenset[str]:
    codes = (str(concept.get("code", "")) for concept in part["concept"])
    if described is None:
        return frozenset(codes)
    return frozenset(described.folded(code) for code in codes)


def _any(answers: Iterable[bool | None]) -> bool | None:
    unknown = False
    for answer in answers:
        if answer:
            return True
        unknown = unknown or answer is None
    return None if unknown else False


def _all(answers: list[bool | None]) -> bool | None:
    if False in answers:
        return False
    return None if None in answers or not answers else True


def _expanded(content: Mapping[str, Any], system: str | None, code: str) -> bool | None:
    """Answer by an expansion that somebody made; not by one that was cut short."""
    expansion = content.get("expansion")
    if not expansion or "contains" not in expansion:
        return None
    entries = list(_entries(expansion["contains"]))
    if any(
        entry.get("code") == code and system in {None, entry.get("system")} for entry in entries
    ):
        return True
    total = expansion.get("total")
    return None if isinstance(total, int) and total > len(entries) else False


def _entries(contains: Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
    for entry in contains:
        if "code" in entry and not entry.get("abstract"):
            yield entry
        yield from _entries(entry.get("contains", ()))


@lru_cache(maxsize=256)
def _loaded(definition: Definition) -> Mapping[str, Any]:
    return definition.load()
