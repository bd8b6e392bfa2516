"""All packages that the server knows, and what is in them by canonical.

https://hl7.org/fhir/R4/references.html#canonical

A catalogue does not change: once packages come or go there is another one. Whoever compiles
something from its definitions keeps it beside the catalogue that it was made from.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fhir_server.conformance.definitions import Definition, Library

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fhir_server.packages.item import Item
    from fhir_server.packages.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Shelf:
    """One package with its definitions."""

    manifest: Manifest
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Catalogue:
    """The definitions of all packages: a `Definitions` of the profile engine."""

    shelves: tuple[Shelf, ...] = ()
    _library: Library = field(default_factory=Library, repr=False)
    _profiles: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, shelves: Sequence[Shelf]) -> Catalogue:
        """Return the catalogue of these packages."""
        # With one url and version in two packages, one has it: order them alike in every process.
        ordered = tuple(sorted(shelves, key=lambda shelf: shelf.manifest.key))
        library = Library(
            Definition(item.type, item.url, item.version, shelf.manifest.key, item.load)
            for shelf in ordered
            for item in shelf.items
        )
        return cls(ordered, library, _profiles(ordered))

    def find(self, kind: str, canonical: str, near: str = "") -> Definition | None:
        """Return the definition of a canonical, `url` or `url|version`.

        Without a version, one of the package `near` (`name#version`) comes first, then the newest.
        """
        return self._library.find(kind, canonical, near)

    def get(self, kind: str, canonical: str) -> dict[str, Any] | None:
        """Return the resource that a canonical means, decoded anew."""
        found = self.find(kind, canonical)
        return dict(found.load()) if found is not None else None

    def all(self, kind: str) -> Iterator[Item]:
        """Yield the definitions of one type."""
        for shelf in self.shelves:
            for item in shelf.items:
                if item.type == kind:
                    yield item

    def profiles(self, type: str) -> tuple[str, ...]:
        """Return the canonicals of the profiles of a resource type.

        With several versions of one, each follows with its version.
        """
        return self._profiles.get(type, ())


def _profiles(shelves: Sequence[Shelf]) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, dict[str, None]]] = {}
    for shelf in shelves:
        for item in shelf.items:
            if item.profile_of:
                found.setdefault(item.profile_of, {}).setdefault(item.url, {})[item.canonical] = (
                    None
                )
    return {
        type: tuple(
            canonical
            for url in sorted(urls)
            for canonical in (url, *(urls[url] if len(urls[url]) > 1 else ()))
        )
        for type, urls in found.items()
    }
