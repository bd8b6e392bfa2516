"""A search in memory: what is indexed, asked with the planned filter."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from fhir_server.search.extract import index
from fhir_server.search.kind import Scope
from fhir_server.search.plan import simple
from fhir_server.search.query import parse
from fhir_server.search.sphere import within

OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": lambda found, wanted: found == wanted,
    "$in": lambda found, wanted: found in wanted,
    "$gt": lambda found, wanted: found is not None and found > wanted,
    "$gte": lambda found, wanted: found is not None and found >= wanted,
    "$lt": lambda found, wanted: found is not None and found < wanted,
    "$lte": lambda found, wanted: found is not None and found <= wanted,
    "$regex": lambda found, wanted: re.search(wanted, found) is not None,
}


def selects(filter: Mapping[str, Any], document: Mapping[str, Any]) -> bool:
    """Return whether a filter of the subset that the planner writes selects a document."""
    return all(_holds(name, wanted, document) for name, wanted in filter.items())


def _holds(name: str, wanted: Any, document: Mapping[str, Any]) -> bool:
    if name == "$and":
        return all(selects(part, document) for part in wanted)
    if name == "$or":
        return any(selects(part, document) for part in wanted)
    if name == "$nor":
        return not any(selects(part, document) for part in wanted)
    if name == "g":
        return "g" in document and within(*wanted["$geoWithin"]["$centerSphere"], document["g"])
    conditions = wanted if isinstance(wanted, dict) else {"$eq": wanted}
    return all(_operator(*item, document.get(name)) for item in conditions.items())


def _operator(operator: str, wanted: Any, found: Any) -> bool:
    values = found if isinstance(found, list) else [found]
    if operator == "$all":
        return set(wanted) <= set(values)
    if operator == "$nin":
        return not set(wanted) & set(values)
    if operator == "$elemMatch":
        return any(_element(wanted, value) for value in values if value is not None)
    return any(OPERATORS[operator](value, wanted) for value in values if value is not None)


def _element(wanted: Mapping[str, Any], value: Any) -> bool:
    if isinstance(value, dict):
        return selects(wanted, value)
    return all(OPERATORS[operator](value, bound) for operator, bound in wanted.items())


def stored(resource: Mapping[str, Any], updated: int = 0) -> dict[str, Any]:
    """Return the search fields of a document as the store keeps them."""
    indexed = index(resource)
    document: dict[str, Any] = {
        "_id": f"{resource['resourceType']}/{resource.get('id', 'x')}",
        "k": list(indexed.tokens),
        "s": list(indexed.strings),
        "q": [
            *({"p": key, "l": low, "h": high} for key, low, high in indexed.ranges),
            *(
                {"p": key, "l": low, "h": high, "u": list(units)}
                for key, low, high, units in indexed.quantities
            ),
        ],
        "e": list(indexed.present),
        "x": list(indexed.texts),
        "d": updated if indexed.date is None else indexed.date,
        "u": updated,
    }
    document |= {} if indexed.point is None else {"g": list(indexed.point)}
    return document | ({} if indexed.patient is None else {"p": indexed.patient})


Search = Callable[..., bool]


@pytest.fixture(scope="session")
def found() -> Search:
    """A function: is this resource found by these parameters?"""

    last: list[tuple[Mapping[str, Any], int, dict[str, Any]]] = []

    def document(resource: Mapping[str, Any], updated: int) -> dict[str, Any]:
        # Most tests ask one resource many questions: it is indexed once.
        if not last or last[0][0] is not resource or last[0][1] != updated:
            last[:] = [(resource, updated, stored(resource, updated))]
        return last[0][2]

    def ask(
        resource: Mapping[str, Any], *parameters: tuple[str, str], base: str = "", updated: int = 0
    ) -> bool:
        query = parse(
            resource["resourceType"], parameters, lenient=False, default_count=10, max_count=100
        )
        condition = simple(query.type, query.criteria[query.type], Scope(base=base))
        return selects(condition, document(resource, updated))

    return ask
