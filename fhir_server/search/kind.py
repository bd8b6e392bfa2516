"""What a kind of search parameter is: both halves, what to index and what to ask for.

https://hl7.org/fhir/R4/search.html#ptypes
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from kernel import registry
from kernel.errors import Invalid

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from fhir_server.search.parameters import Parameter, Path

TYPE_MODIFIER: Final = "[type]"
"""The modifier that is the name of a resource type, as the specification writes it."""

MOST_ALTERNATIVES: Final = 200


@dataclass(slots=True)
class Facts:
    """What the index functions of one resource add to."""

    zone: ZoneInfo | None = None
    tokens: list[int] = field(default_factory=list)
    strings: list[str] = field(default_factory=list)
    ranges: list[tuple[int, int, int]] = field(default_factory=list)
    quantities: list[tuple[int, float, float, tuple[int, ...]]] = field(default_factory=list)
    """Key, low, high and the tokens of the units in which it is so: an interval of numbers."""
    references: list[tuple[str, str]] = field(default_factory=list)  # key, `Patient/id`
    points: list[tuple[float, float]] = field(default_factory=list)  # longitude, latitude
    texts: list[str] = field(default_factory=list)  # what is read, but not kept by an index
    present: list[int] = field(default_factory=list)  # which elements there are


@dataclass(frozen=True, slots=True)
class Scope:
    """What a search is asked in: the zone of dates without one, and our own base URL."""

    zone: ZoneInfo | None = None
    base: str = ""


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Documents that carry at least one of the tokens; they name the type."""

    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class NoneOf:
    """Documents that carry none of the tokens."""

    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Where:
    """Documents that a filter in MongoDB's query language selects."""

    filter: dict[str, Any]


Condition = AnyOf | NoneOf | Where
Index = Callable[[Any, Facts], None]
"""Adds the facts of one element's value."""


@dataclass(frozen=True, slots=True)
class SearchType:
    """A kind of search parameter, or one common parameter that is stored in its own way.

    `index` makes the function for one path of one type; `match` makes the condition for the values
    (any of them) of one criterion.
    """

    name: str
    index: Callable[[str, Path], Index]
    match: Callable[[Parameter, str, tuple[str, ...], Scope], Condition]
    modifiers: frozenset[str] = frozenset()


@cache
def kinds() -> dict[str, SearchType]:
    """Return all kinds, by name."""
    return registry.scan("fhir_server.search.params", SearchType)


def kind_of(parameter: Parameter) -> SearchType | None:
    """Return the kind of a parameter; None if we cannot search with it."""
    if not (parameter.paths or parameter.composite):
        return None
    # A parameter may be named like a kind (`reference` of ValueSet is a uri), but not with `_`.
    own = kinds().get(parameter.name) if parameter.name.startswith("_") else None
    return own or kinds().get(parameter.kind)


def either(filters: list[dict[str, Any]]) -> Where:
    """Return the condition that any of the filters selects.

    Raises:
        Invalid: there are more than an index can follow.
    """
    if len(filters) > MOST_ALTERNATIVES:
        raise Invalid(
            f"The search has {len(filters)} alternatives in one parameter;"
            f" {MOST_ALTERNATIVES} are allowed for strings and dates.",
            code="too-costly",
        )
    return Where(filters[0] if len(filters) == 1 else {"$or": filters})
