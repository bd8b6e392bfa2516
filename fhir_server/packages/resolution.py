"""What a package needs, found where it can be had; what cannot be had is named.

https://hl7.org/fhir/R5/packages.html
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from fhir_server.packages.manifest import CORE
from fhir_server.packages.versions import satisfies
from kernel.errors import TooLarge

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fhir_server.packages.manifest import Manifest
    from fhir_server.packages.package import Package

MOST: Final = 100
"""Most packages that one package may pull in."""
COMPILED_IN: Final = frozenset({CORE})


class Source(Protocol):
    """Where packages may be had: a folder, a registry."""

    def find(self, name: str, version: str) -> Package | None:
        """Return a package that satisfies `version`; None if it is not there.

        Raises:
            FhirError: it is there and cannot be used, or the place does not answer.
        """


@dataclass(frozen=True, slots=True)
class Missing:
    """A dependency that is nowhere; `needed_by` is `name#version`."""

    name: str
    version: str
    needed_by: str

    @property
    def hint(self) -> str:
        """Say what is missing and how to get it."""
        return (
            f"`{self.name}#{self.version}`, which `{self.needed_by}` needs, is not loaded."
            f" Download it and run `medflow profiles add {self.name}-{self.version}.tgz`,"
            " or put it beside the file that needs it, or set"
            " `MEDFLOW_FHIR__PACKAGE_REGISTRY`."
        )


@dataclass(frozen=True, slots=True)
class Resolution:
    """The packages to load, each after those that it needs, and what is missing."""

    packages: tuple[Package, ...]
    missing: tuple[Missing, ...]


def resolve(
    given: Iterable[Package], loaded: Iterable[Manifest], sources: Iterable[Source]
) -> Resolution:
    """Return what is to be loaded so that the `given` packages have all that they need.

    Raises:
        TooLarge: they pull in more than `MOST`.
        FhirError: what a source has cannot be used.
    """
    there = [(manifest.name, manifest.version) for manifest in loaded]
    places = tuple(sources)
    found = {package.key: package for package in given}
    missing: dict[tuple[str, str], Missing] = {}
    waiting = deque(found.values())
    while waiting:
        package = waiting.popleft()
        for name, version in package.manifest.dependencies.items():
            known = [*there, *((one.manifest.name, one.manifest.version) for one in found.values())]
            if (name, version) in missing or _has(known, name, version):
                continue
            had = next(_offers(places, name, version), None)
            if had is None:
                missing[name, version] = Missing(name, version, package.key)
                continue
            found[had.key] = had
            waiting.append(had)
            if len(found) > MOST:
                raise TooLarge(f"`{package.key}` and the others need more than {MOST} packages.")
    return Resolution(tuple(_ordered(found)), tuple(missing.values()))


def unmet(loaded: Iterable[Manifest]) -> list[Missing]:
    """Return what loaded packages need and is not loaded."""
    listed = list(loaded)
    there = [(manifest.name, manifest.version) for manifest in listed]
    return [
        Missing(name, version, manifest.key)
        for manifest in listed
        for name, version in manifest.dependencies.items()
        if not _has(there, name, version)
    ]


def needed_by(name: str, version: str, loaded: Iterable[Manifest]) -> list[str]:
    """Return the packages that would lack something without this one."""
    others = [one for one in loaded if (one.name, one.version) != (name, version)]
    rest = [(one.name, one.version) for one in others]
    return [
        one.key
        for one in others
        for needed, wanted in one.dependencies.items()
        if needed == name and satisfies(version, wanted) and not _has(rest, needed, wanted)
    ]


def _has(known: Iterable[tuple[str, str]], name: str, version: str) -> bool:
    return name in COMPILED_IN or any(one == name and satisfies(its, version) for one, its in known)


def _offers(places: Iterable[Source], name: str, version: str) -> Iterator[Package]:
    for place in places:
        had = place.find(name, version)
        if had is not None and had.manifest.name == name:
            yield had


def _ordered(found: dict[str, Package]) -> Iterator[Package]:
    """Yield each package after those that it needs; a circle is broken where it is met."""
    done: set[str] = set()
    for package in found.values():
        yield from _after(package, found, done)


def _after(package: Package, found: dict[str, Package], done: set[str]) -> Iterator[Package]:
    if package.key in done:
        return
    done.add(package.key)
    for name, version in package.manifest.dependencies.items():
        for other in found.values():
            if other.manifest.name == name and satisfies(other.manifest.version, version):
                yield from _after(other, found, done)
    yield package
