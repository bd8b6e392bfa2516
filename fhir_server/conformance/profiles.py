"""Profiles: StructureDefinitions as rules, compiled when they are first asked for.

https://hl7.org/fhir/R4/profiling.html
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from fhir_server.conformance import rules, snapshot
from fhir_server.conformance.rules import Rule, Type

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fhir_server.conformance.definitions import Definition, Definitions

BASE: Final = "http://hl7.org/fhir/StructureDefinition/"
"""The types of R4 are defined under this prefix."""

_MOST: Final = 20_000  # elements of one profile
_DEEPEST: Final = 16  # profiles of profiles


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """A compiled StructureDefinition; `constrains` is False for the definition of a type itself.

    `elements` are the rules by id, for content references. `contexts` are where an extension may
    stand, as pairs of type and expression.
    """

    url: str
    version: str
    package: str
    type: str
    constrains: bool
    root: Rule
    elements: Mapping[str, Rule]
    contexts: tuple[tuple[str, str], ...] = ()

    @property
    def canonical(self) -> str:
        return f"{self.url}|{self.version}" if self.version else self.url


class Profiles:
    """The profiles of some definitions, for one run: it keeps what it found, and what it did not."""

    __slots__ = ("_known", "definitions", "faults")

    def __init__(self, definitions: Definitions) -> None:
        self.definitions = definitions
        self.faults: dict[str, str] = {}
        self._known: dict[tuple[str, str], Profile | None] = {}

    def find(self, canonical: str, near: str = "") -> Profile | None:
        """Return a profile by its canonical; None if there is none, or none that makes sense.

        `faults` then says why a definition that is there could not be used.
        """
        key = (canonical, near)
        if key not in self._known:
            self._known[key] = self._find(canonical, near)
        return self._known[key]

    def _find(self, canonical: str, near: str) -> Profile | None:
        found = self.definitions.find("StructureDefinition", canonical, near)
        if found is None:
            return None
        try:
            return _compiled(found, self.definitions)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            self.faults[canonical] = str(error)
            return None

    def of_type(self, name: str) -> Profile | None:
        """Return the definition of a type of R4."""
        return self.find(BASE + name)


def _compiled(definition: Definition, definitions: Definitions) -> Profile:
    if _head(definition)[0]:
        return _complete(definition)
    return _derived(definition, tuple(_lineage(definition, definitions)), _By(definitions))


def _lineage(definition: Definition, definitions: Definitions) -> Iterator[Definition]:
    """Yield what a definition without a snapshot is made from; a change of any makes another."""
    current: Definition | None = definition
    for _ in range(_DEEPEST):
        whole, base = _head(current) if current is not None else (True, "")
        if whole or current is None:
            return
        current = definitions.find("StructureDefinition", base, current.package)
        if current is not None:
            yield current


@dataclass(frozen=True, slots=True)
class _By:
    """Where to look; of what is found there, the lineage says enough to tell two apart."""

    definitions: Definitions = field(compare=False)


@lru_cache(maxsize=2048)
def _head(definition: Definition) -> tuple[bool, str]:
    resource = definition.load()
    whole = bool(resource.get("snapshot", {}).get("element"))
    return whole, str(resource.get("baseDefinition", ""))


@lru_cache(maxsize=1024)
def _complete(definition: Definition) -> Profile:
    resource = definition.load()
    return _profile(definition, resource, resource.get("snapshot", {}).get("element", []))


@lru_cache(maxsize=256)
def _derived(definition: Definition, _: tuple[Definition, ...], by: _By) -> Profile:
    resource = definition.load()
    rows = snapshot.generate(resource, by.definitions, definition.package)
    return _profile(definition, resource, rows)


def _profile(
    definition: Definition, resource: Mapping[str, Any], rows: list[Mapping[str, Any]]
) -> Profile:
    if len(rows) > _MOST:
        raise ValueError(f"it has {len(rows)} elements; {_MOST} at most")
    root = rules.tree(rows)
    type = str(resource.get("type", root.name))
    elements: dict[str, Rule] = {}
    _collect(root, elements)
    return Profile(
        definition.url,
        definition.version,
        definition.package,
        type.removeprefix(BASE),
        resource.get("derivation") == "constraint",
        root,
        elements,
        tuple(
            (str(context.get("type", "")), str(context.get("expression", "")))
            for context in resource.get("context", ())
        ),
    )


def _collect(rule: Rule, found: dict[str, Rule]) -> None:
    found.setdefault(rule.id, rule)
    for inner in (*rule.children, *rule.slices):
        _collect(inner, found)


def as_root(profile: Profile) -> Rule:
    """Return the root as an element would have it whose type is the profile."""
    root = profile.root
    return Rule(
        id=root.id,
        name=root.name,
        min=1,
        types=(Type(profile.type, (profile.url,)),),
        value=root.value,
        binding=root.binding,
        children=root.children,
    )
