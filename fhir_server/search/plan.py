"""From what is asked to a filter in MongoDB's query language, an order and a place to start.

https://hl7.org/fhir/R4/search.html#combining

Nothing of a search's text gets into the filter but as a number, a bound of a comparison or an
escaped literal. The authorisation filter is added by the store.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fhir_server.search import page
from fhir_server.search.kind import AnyOf, Condition, NoneOf, Scope, kind_of
from fhir_server.search.tokens import type_token

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from fhir_server.search.query import Criterion, Query

Filter = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """`filter` selects all matches, `after` those of this page and later ones."""

    filter: Filter
    sort: list[tuple[str, int]]
    limit: int
    after: Filter | None = None

    @property
    def condition(self) -> Filter:
        """The filter of this page and those that follow."""
        return self.filter if self.after is None else {"$and": [self.filter, self.after]}


def plan(query: Query, zone: ZoneInfo | None = None, *, base: str = "") -> Plan:
    """Return how to answer a query.

    `zone` is of dates without an offset (UTC); `base` is our own base URL, whose references are
    also found as relative ones.

    Raises:
        BadValue: a value without the form that its parameter needs.
    """
    scope = Scope(zone, base.rstrip("/"))
    conditions = [_condition(criterion, scope) for criterion in query.criteria]
    return Plan(
        _combined(query.type, conditions),
        list(page.SORTS[query.sort]),
        query.count,
        page.after(query.sort, query.cursor) if query.cursor else None,
    )


def cursor(query: Query, key: str, date: int, updated: int) -> str:
    """Return the `_page` of the page after a document: its `Type/id`, `d` and `u`."""
    value = {"d": date, "u": updated}.get(query.sort.removeprefix("-"), 0)
    return page.write(query.sort, value, key)


def _condition(criterion: Criterion, scope: Scope) -> Condition:
    kind = kind_of(criterion.parameter)
    if kind is None:
        raise ValueError(f"`{criterion.parameter.name}` cannot be searched with.")
    return kind.match(criterion.parameter, criterion.modifier, criterion.values, scope)


def _combined(type: str, conditions: list[Condition]) -> Filter:
    """Return the filter that holds if all conditions do."""
    required: list[int] = []
    parts: list[Filter] = []
    typed = False
    for condition in conditions:
        if isinstance(condition, AnyOf):
            typed = True
            if len(condition.tokens) == 1:
                required.append(condition.tokens[0])
            else:
                parts.append({"k": {"$in": list(condition.tokens)}})
        elif isinstance(condition, NoneOf):
            parts.append({"k": {"$nin": list(condition.tokens)}})
        else:
            parts.append(condition.filter)
    # A token names its type; anything else could be true of another type, or of a deletion.
    if not typed:
        required.append(type_token(type))
    if required:
        unique = list(dict.fromkeys(required))
        parts.append({"k": unique[0] if len(unique) == 1 else {"$all": unique}})
    return _conjunction(parts)


def _conjunction(parts: list[Filter]) -> Filter:
    merged: Filter = {}
    for part in parts:
        if merged.keys() & part.keys():
            return {"$and": parts}
        merged |= part
    return merged
