"""History: superseded versions of one resource, and all versions of types in the order of time.

https://hl7.org/fhir/R4/http.html#history

A version that is superseded moves from one collection to the other. Both have an index in the same
order, by time and then by `Type/id`, in which no two versions are equal (a resource's versions have
a millisecond each), so a version keeps its place when it moves: pages are a merge of two index scans
that start where the page before ended, whatever is written meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pymongo import ASCENDING, DESCENDING

from fhir_server.store.access import both, visible_or_deleted
from fhir_server.store.document import history_key, version
from fhir_server.store.patience import PATIENCE_S, patience

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymongo.asynchronous.collection import AsyncCollection

    from fhir_server.model import Access, Version
    from fhir_server.store.mongo import Collections

Document = dict[str, Any]
Part = tuple["Sequence[str]", "Access"]
"""Resource types, none for all of them, and what the caller may see of them."""
Position = tuple[int, str]
"""When a version was made, and its `Type/id`."""

PROJECTION: Final = {"b": 1, "v": 1, "u": 1, "m": 1, "n": 1}
TIME_LIMIT_MS: Final = 20_000
LONGEST: Final = 16 << 20
"""Bytes of a page, but for its last version: what is behind is on the next one."""
LAST: Final = 9_999_999_999


@dataclass(frozen=True, slots=True)
class Span:
    """Which versions: made from `since` on and before `before`, current at some time of `during`.

    Milliseconds since the epoch; None bounds nothing.
    """

    since: int | None = None
    before: int | None = None
    during: tuple[int, int] | None = None

    @property
    def open(self) -> bool:
        return self == ALWAYS

    def holds(self, current: Version) -> bool:
        """Return whether a version that is still current is one of them."""
        last = self.during[1] if self.during else current.updated
        return (
            (self.since is None or current.updated >= self.since)
            and (self.before is None or current.updated < self.before)
            and current.updated <= last
        )


ALWAYS: Final = Span()


@dataclass(frozen=True, slots=True)
class Found:
    """Versions in their order; `more` says that others follow."""

    rows: list[Version]
    more: bool


class History:
    """Reads versions, each with the filter of whoever asks."""

    def __init__(self, collections: Collections, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._resources = collections.resources
        self._history = collections.history

    async def superseded(
        self,
        key: str,
        access: Access,
        span: Span,
        *,
        limit: int,
        below: int = LAST,
        above: int = -1,
        newest: bool = True,
    ) -> Found:
        """Return versions of one resource between two numbers that are not current any more."""
        condition = both(_within(key, above, below), _timed(span, superseded=True))
        condition = both(condition, visible_or_deleted(access))
        rows, cut = await self._find(
            self._history, condition, _order("_id", newest=newest), limit + 1
        )
        return Found(rows[:limit], cut or len(rows) > limit)

    async def count_superseded(self, key: str, access: Access, span: Span) -> int:
        """Return how many versions of one resource are not current any more."""
        condition = both(_within(key, -1, LAST), _timed(span, superseded=True))
        if not (span.open and access.everything):
            return await self._count(self._history, both(condition, visible_or_deleted(access)))
        # Versions have no gaps, so the ends tell.
        last, _ = await self._find(self._history, condition, _order("_id", newest=True), 1)
        first, _ = await self._find(self._history, condition, _order("_id", newest=False), 1)
        return last[0].version - first[0].version + 1 if last and first else 0

    async def versions(
        self,
        parts: Sequence[Part],
        span: Span,
        *,
        limit: int,
        after: Position | None = None,
        newest: bool = True,
    ) -> Found:
        """Return the first versions behind a position, current and superseded ones."""
        # In this order: what moves in between is then found twice, and never missed.
        current, current_cut = await self._find(
            self._resources,
            _condition(parts, span, after, "_id", newest=newest),
            _order("u", newest=newest) + _order("_id", newest=not newest),
            limit + 1,
        )
        superseded, superseded_cut = await self._find(
            self._history,
            _condition(parts, span, after, "r", newest=newest),
            _order("u", newest=newest) + _order("r", newest=not newest),
            limit + 1,
        )
        unique = {(found.updated, found.reference): found for found in [*superseded, *current]}
        # Time in the direction asked for, references in the opposite one, as the indexes have them.
        ordered = sorted(unique.values(), key=lambda found: found.reference, reverse=not newest)
        ordered.sort(key=lambda found: found.updated, reverse=newest)
        ends = [
            rows[-1] for rows, cut in ((current, current_cut), (superseded, superseded_cut)) if cut
        ]
        known = min((ordered.index(end) + 1 for end in ends), default=len(ordered))
        return Found(ordered[: min(known, limit)], bool(ends) or len(ordered) > limit)

    async def count(self, parts: Sequence[Part], span: Span) -> int:
        """Return how many versions there are."""
        current = _condition(parts, span, None, "_id", newest=True)
        superseded = _condition(parts, span, None, "r", newest=True)
        return await self._count(self._resources, current) + await self._count(
            self._history, superseded
        )

    async def _find(
        self,
        collection: AsyncCollection[Document],
        condition: Document,
        sort: list[tuple[str, int]],
        limit: int,
    ) -> tuple[list[Version], bool]:
        """Return the first versions, and whether there may be more as they are too long together."""
        cursor = collection.find(
            condition,
            PROJECTION,
            sort=sort,
            limit=limit,
            batch_size=limit,
            max_time_ms=TIME_LIMIT_MS,
        )
        found: list[Version] = []
        size = 0
        async with patience(self._patience_s), cursor:
            async for stored in cursor:
                found.append(version(stored))
                size += len(stored.get("b", b""))
                if size > LONGEST:
                    return found, True
        return found, False

    async def _count(self, collection: AsyncCollection[Document], condition: Document) -> int:
        async with patience(self._patience_s):
            return await collection.count_documents(condition, maxTimeMS=TIME_LIMIT_MS)


def _order(field: str, *, newest: bool) -> list[tuple[str, int]]:
    return [(field, DESCENDING if newest else ASCENDING)]


def _within(key: str, above: int, below: int) -> Document:
    lowest = history_key(key, max(above, 0))
    return {"_id": {"$gt" if above >= 0 else "$gte": lowest, "$lt": history_key(key, below)}}


def _timed(span: Span, *, superseded: bool, bound: tuple[str, int] | None = None) -> Document:
    """Return the condition on time; `bound` is one more, such as the position of a page."""
    low = [span.since] if span.since is not None else []
    high = [span.before - 1] if span.before is not None else []
    if span.during is not None:
        high.append(span.during[1])
    if bound is not None:
        (low if bound[0] == "$gte" else high).append(bound[1])
    made: Document = {}
    if low:
        made["$gte"] = max(low)
    if high:
        made["$lte"] = min(high)
    condition: Document = {"u": made} if made else {}
    if superseded and span.during is not None:
        condition["z"] = {"$gt": span.during[0]}
    return condition


def _condition(
    parts: Sequence[Part], span: Span, after: Position | None, key: str, *, newest: bool
) -> Document:
    """Return the condition of one of the two collections; `key` is its field with `Type/id`."""
    bound, behind = None, {}
    if after is not None:
        bound = ("$lte" if newest else "$gte", after[0])
        behind = {
            "$or": [
                {"u": {"$lt" if newest else "$gt": after[0]}},
                {key: {"$gt" if newest else "$lt": after[1]}},
            ]
        }
    timed = _timed(span, superseded=key == "r", bound=bound)
    allowed = [_allowed(types, access, key) for types, access in parts]
    seen = allowed[0] if len(allowed) == 1 else {"$or": allowed}
    if {} in allowed:
        seen = {}
    return both(both(timed, behind), seen)


def _allowed(types: Sequence[str], access: Access, key: str) -> Document:
    ranges = [_of_type(type, key) for type in types]
    of_types = {"$or": ranges} if len(ranges) > 1 else dict(*ranges)
    return both(of_types, visible_or_deleted(access))


def _of_type(type: str, key: str) -> Document:
    # `_id` begins with `Type/` in both; the other field is for the index that is in order.
    bounds = {"$gte": f"{type}/", "$lt": f"{type}0"}  # `0` follows `/`
    return dict.fromkeys({"_id", key}, bounds)
