"""Whether one resource meets a planned filter, without asking the database.

https://www.mongodb.com/docs/manual/reference/operator/query/

Only what the planner writes is understood; anything else is a fault of ours and raises.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from fhir_server.search.sphere import within
from fhir_server.search.tokens import type_token

if TYPE_CHECKING:
    from fhir_server.search.extract import Indexed

Document = Mapping[str, Any]
COMPARED: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "$eq": lambda found, wanted: found == wanted,
    "$in": lambda found, wanted: found in wanted,
    "$gt": lambda found, wanted: found > wanted,
    "$gte": lambda found, wanted: found >= wanted,
    "$lt": lambda found, wanted: found < wanted,
    "$lte": lambda found, wanted: found <= wanted,
    "$regex": lambda found, wanted: re.search(wanted, found) is not None,
}


def fields(key: str, indexed: Indexed, updated: int) -> dict[str, Any]:
    """Return the search fields of a resource as its stored document would have them."""
    ranges = [{"p": key, "l": low, "h": high} for key, low, high in indexed.ranges]
    quantities = [
        {"p": key, "l": low, "h": high, "u": list(units)}
        for key, low, high, units in indexed.quantities
    ]
    return {
        "_id": key,
        "u": updated,
        "k": [*indexed.tokens, type_token(key.partition("/")[0])],
        "s": list(indexed.strings),
        "q": [*ranges, *quantities],
        "x": list(indexed.texts),
        "e": list(indexed.present),
        "p": indexed.patient,
        "g": indexed.point,
        "d": updated if indexed.date is None else indexed.date,
    }


def selects(filter: Document, document: Document) -> bool:
    """Return whether the filter selects the document."""
    return all(_holds(name, wanted, document) for name, wanted in filter.items())


def _holds(name: str, wanted: Any, document: Document) -> bool:
    if name == "$and":
        return all(selects(part, document) for part in wanted)
    if name == "$or":
        return any(selects(part, document) for part in wanted)
    if name == "$nor":
        return not any(selects(part, document) for part in wanted)
    conditions = wanted if isinstance(wanted, dict) else {"$eq": wanted}
    return all(_operator(*condition, document.get(name)) for condition in conditions.items())


def _operator(operator: str, wanted: Any, found: Any) -> bool:
    values = found if isinstance(found, list) else [] if found is None else [found]
    match operator:
        case "$all":
            return set(wanted) <= set(values)
        case "$nin":
            return not set(wanted) & set(values)
        case "$exists":
            return (found is not None) == bool(wanted)
        case "$geoWithin":
            centre, radians = wanted["$centerSphere"]
            return found is not None and within(centre, radians, found)
        case "$elemMatch":
            return any(_element(wanted, value) for value in values)
    compare = COMPARED[operator]
    return any(compare(value, wanted) for value in values)


def _element(wanted: Document, value: Any) -> bool:
    if isinstance(value, Mapping):
        return selects(wanted, value)
    return all(_operator(operator, bound, value) for operator, bound in wanted.items())
