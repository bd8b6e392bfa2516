"""When a resource was last changed: a moment that every document has.

https://hl7.org/fhir/R4/search.html#lastUpdated
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fhir_server.search.kind import Condition, Index, Scope, SearchType, either
from fhir_server.search.marked import everywhere
from fhir_server.search.params.date import comparison

if TYPE_CHECKING:
    from fhir_server.search.parameters import Parameter, Path


def index(_: str, __: Path) -> Index:
    return lambda _, __: None


def match(_: Parameter, modifier: str, values: tuple[str, ...], scope: Scope) -> Condition:
    if modifier == "missing":
        return everywhere(values)
    return either([_filter(*comparison(value, scope.zone)) for value in values])


def _filter(prefix: str, low: int, high: int) -> dict[str, Any]:
    found: dict[str, dict[str, Any]] = {
        "eq": {"u": {"$gte": low, "$lte": high}},
        "ap": {"u": {"$gte": low, "$lte": high}},
        "ne": {"$or": [{"u": {"$lt": low}}, {"u": {"$gt": high}}]},
        "gt": {"u": {"$gt": high}},
        "sa": {"u": {"$gt": high}},
        "ge": {"u": {"$gte": low}},
        "lt": {"u": {"$lt": low}},
        "eb": {"u": {"$lt": low}},
        "le": {"u": {"$lte": high}},
    }
    return found[prefix]


LAST_UPDATED = SearchType("_lastUpdated", index, match, frozenset({"missing"}))
