"""A code system: its codes, their hierarchy and their properties.

https://hl7.org/fhir/R4/codesystem.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from fhir_server.conformance.definitions import Definition


@dataclass(frozen=True, slots=True)
class Concept:
    """One code. `parents` are codes; `properties` are pairs of a property's code and value."""

    code: str
    display: str
    parents: tuple[str, ...] = ()
    properties: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class CodeSystem:
    """The concepts by code, folded to lower case where the system does not care about it."""

    url: str
    concepts: dict[str, Concept]
    complete: bool
    case_sensitive: bool

    def folded(self, code: str) -> str:
        return code if self.case_sensitive else code.lower()

    def concept(self, code: str) -> Concept | None:
        return self.concepts.get(self.folded(code))

    def has(self, code: str) -> bool | None:
        """Return whether there is such a code; None where only a part of the codes is known."""
        if self.folded(code) in self.concepts:
            return True
        return False if self.complete else None

    def ancestors(self, code: str) -> frozenset[str]:
        """Return the codes above one, itself left out."""
        found: set[str] = set()
        waiting = [code]
        while waiting:
            concept = self.concept(waiting.pop())
            for parent in concept.parents if concept is not None else ():
                if parent not in found:
                    found.add(parent)
                    waiting.append(parent)
        return frozenset(found)


@lru_cache(maxsize=512)
def known(definition: Definition) -> CodeSystem | None:
    """Return the code system of a definition; None if it lists no codes, as LOINC's does."""
    resource = definition.load()
    content = resource.get("content")
    if content not in {"complete", "fragment", "example"} or not resource.get("concept"):
        return None
    # R4 leaves the flag out of nearly all of its systems, whose codes do differ in case.
    sensitive = resource.get("caseSensitive") is not False
    concepts = {
        concept.code if sensitive else concept.code.lower(): concept
        for concept in _concepts(resource["concept"], ())
    }
    return CodeSystem(str(resource["url"]), concepts, content == "complete", sensitive)


def _concepts(given: Iterable[Mapping[str, Any]], parents: tuple[str, ...]) -> Iterator[Concept]:
    for item in given:
        code = str(item.get("code", ""))
        pairs = tuple(_property(entry) for entry in item.get("property", ()))
        above = tuple(str(value) for name, value in pairs if name in {"parent", "subsumedBy"})
        yield Concept(code, str(item.get("display", "")), (*parents, *above), pairs)
        yield from _concepts(item.get("concept", ()), (code,))


def _property(entry: Mapping[str, Any]) -> tuple[str, Any]:
    value = next((value for key, value in entry.items() if key.startswith("value")), None)
    return str(entry.get("code", "")), value.get("code") if isinstance(value, dict) else value


# R4 has `json`, `xml` and `ttl` for its own formats, and its parameters are free text.
_MIME: Final = re.compile(r"json|xml|ttl|[\w!#$&^.+*-]+/[\w!#$&^.+*-]+(?:\s*;[^\x00-\x1f]*)?")
_LANGUAGE: Final = re.compile(r"(?:[A-Za-z]{2,8}|[xi])(?:-[A-Za-z0-9]{1,8})*")


def syntax(system: str, code: str, is_unit: Callable[[str], bool] | None) -> bool | None:
    """Answer for the systems that are a grammar: media types, languages, units."""
    if len(code) > 200:
        return None
    if system in {"urn:ietf:bcp:13", "urn:ietf:rfc:3986"}:
        return _MIME.fullmatch(code) is not None if system.endswith("13") else True
    if system == "urn:ietf:bcp:47":
        return _LANGUAGE.fullmatch(code) is not None
    if system == "http://unitsofmeasure.org" and is_unit is not None:
        return is_unit(code)
    return None
