"""`_explain`: what a search was planned as, what it cost, and how it could cost less.

https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fhir_server.engine import Engine
    from fhir_server.search.query import Query
    from fhir_server.store.finder import Part

MANY: Final = 10
"""Documents read for each match from which on a search deserves advice."""
INDEXES: Final = {
    "token": "tokens, newest first",
    "patient": "tokens of one patient, newest first",
    "string": "strings",
    "range": "dates, numbers and quantities",
    "updated": "last update",
    "_id_": "ids",
}


async def explained(
    engine: Engine, query: Query, parts: Sequence[Part], steps: Sequence[str]
) -> dict[str, Any]:
    """Return an OperationOutcome that tells how the search was carried out."""
    lines = [*steps, _order(query)]
    if parts:
        order = query.controls.order
        sort = order.sort if order.index else ()
        told = await engine.store.finder.explain(parts, sort, query.controls.count + 1)
        lines += _told(told, query)
    issues = [
        {"severity": "information", "code": "informational", "diagnostics": line} for line in lines
    ]
    return {"resourceType": "OperationOutcome", "issue": issues}


def _order(query: Query) -> str:
    order = query.controls.order
    if order.index:
        return f"Order: `{order.index}`, kept by an index."
    names = ", ".join(f"`{'-' if key.descending else ''}{key.name}`" for key in order.keys)
    return f"Order: {names}, computed by reading all matches."


def _told(told: Mapping[str, Any], query: Query) -> Iterator[str]:
    stats = told["executionStats"]
    indexes = sorted({stage["indexName"] for stage in _stages(stats) if "indexName" in stage})
    names = ", ".join(f"`{name}` ({INDEXES.get(name, name)})" for name in indexes)
    yield f"Index: {names or 'none: every document is read'}."
    keys, documents = stats["totalKeysExamined"], stats["totalDocsExamined"]
    matches, time = stats["nReturned"], stats["executionTimeMillis"]
    yield f"Read: {keys} index entries and {documents} documents for {matches} matches in {time} ms."
    if any(stage["stage"] == "SORT" for stage in _stages(stats)):
        yield "Advice: the matches were sorted in memory; `_sort=-_lastUpdated` may avoid that."
    if documents > MANY * max(matches, 1):
        yield (
            "Advice: few of what was read matches. Add a parameter that selects more closely,"
            " such as `patient`, `identifier` or a code with its system."
        )
    if not query.controls.order.index:
        yield "Advice: `_lastUpdated`, `_id` and the type's own date are sorted by an index."


def _stages(value: Any) -> Iterator[Mapping[str, Any]]:
    """Yield every stage of a plan, wherever it is nested."""
    if isinstance(value, dict):
        if "stage" in value:
            yield value
        for inner in value.values():
            yield from _stages(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _stages(inner)
