"""Definitions: where StructureDefinitions, value sets and code systems are found by canonical URL.

https://hl7.org/fhir/R4/references.html#canonical
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

_NUMBERS: Final = re.compile(r"\d+|[^\d.+-]+")


@dataclass(frozen=True, slots=True, eq=False)
class Definition:
    """One conformance resource, of type `kind`, and where it comes from.

    `package` is `name#version`, "" for what is in no package: its neighbours in the package come
    first when it names others without a version. `load` decodes the resource.
    """

    kind: str
    url: str
    version: str
    package: str
    load: Callable[[], Mapping[str, Any]] = field(repr=False)

    @property
    def canonical(self) -> str:
        return f"{self.url}|{self.version}" if self.version else self.url


class Definitions(Protocol):
    """Whatever knows definitions: packages in memory, in the database, or both."""

    def find(self, kind: str, canonical: str, near: str = "") -> Definition | None:
        """Return the definition of a canonical, `url` or `url|version`.

        Without a version, one of the package `near` comes first, then the newest.
        """
        ...


class Library:
    """Definitions held in memory. It grows while it is filled and never afterwards."""

    __slots__ = ("_found",)

    def __init__(self, definitions: Iterable[Definition] = ()) -> None:
        self._found: defaultdict[tuple[str, str], list[Definition]] = defaultdict(list)
        for definition in definitions:
            self._found[definition.kind, definition.url].append(definition)

    def find(self, kind: str, canonical: str, near: str = "") -> Definition | None:
        url, version = split(canonical)
        return choose(self._found.get((kind, url), ()), version, near)

    def __bool__(self) -> bool:
        return bool(self._found)


class Chain:
    """Several sources: the first that has what is asked for, one with the package `near` before."""

    __slots__ = ("_sources",)

    def __init__(self, *sources: Definitions) -> None:
        self._sources = sources

    def find(self, kind: str, canonical: str, near: str = "") -> Definition | None:
        _, version = split(canonical)
        found = [source.find(kind, canonical, near) for source in self._sources]
        known = [definition for definition in found if definition is not None]
        if not version and near:
            return choose([d for d in known if d.package == near], "", near) or _first(known)
        return _first(known)


def _first(known: list[Definition]) -> Definition | None:
    return known[0] if known else None


def split(canonical: str) -> tuple[str, str]:
    """Return the URL and the version, "" if it names none; a fragment is left out."""
    url, _, version = canonical.partition("|")
    return url.partition("#")[0], version.partition("#")[0]


def choose(found: Iterable[Definition], version: str, near: str) -> Definition | None:
    """Return the one of a version, or of the package `near`, or else the newest.

    `4.0` names any version that begins so.
    """
    candidates = [
        definition
        for definition in found
        if not version
        or definition.version == version
        or definition.version.startswith(f"{version}.")
    ]
    beside = [definition for definition in candidates if near and definition.package == near]
    return max(beside or candidates, key=_order, default=None)


def _order(definition: Definition) -> list[tuple[int, int, str]]:
    """A key by which `10.0.0` is newer than `9.1.0`, and a release than its candidates."""
    release, dash, candidate = definition.version.partition("-")
    parts = [*_NUMBERS.findall(release), *(["~"] if not dash else _NUMBERS.findall(candidate))]
    return [(int(part.isdigit()), int(part) if part.isdigit() else 0, part) for part in parts]
