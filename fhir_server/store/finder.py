"""Searching the current versions, always as of one moment and with the caller's filter in the query.

https://www.mongodb.com/docs/manual/reference/read-concern-snapshot/
docs/adr/0002-one-collection-and-generic-index.md
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bson import Timestamp
from pymongo.errors import PyMongoError

from fhir_server.model import ALL
from fhir_server.store.access import both, visible
from fhir_server.store.document import version
from fhir_server.store.mongo import refusal
from fhir_server.store.patience import PATIENCE_S, patience
from kernel.errors import Gone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from fhir_server.model import Access, Version
    from fhir_server.store.mongo import Collections

Document = dict[str, Any]
Part = tuple["Mapping[str, Any]", "Access"]
"""A condition, and whose eyes look."""

PROJECTION: Final = {"b": 1, "v": 1, "u": 1, "m": 1, "d": 1}
TIME_LIMIT_MS: Final = 20_000
SCAN_BATCH: Final = 1000
FEW: Final = 2000
LEAST: Final = -(1 << 63)
FORGOTTEN: Final = frozenset({239, 246})
"""SnapshotTooOld, SnapshotUnavailable: the moment is older than the window that MongoDB keeps."""


@dataclass(frozen=True, slots=True)
class Found:
    """Matches with their `d`, as of the moment `at`; `more` says that some were left out."""

    rows: list[tuple[Version, int]]
    at: int
    more: bool


class Finder:
    """Finds current versions. `at` is a moment that an earlier answer named, None for now."""

    def __init__(self, collections: Collections, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._database = collections.database
        self._name = collections.resources.name

    async def find(
        self,
        condition: Mapping[str, Any],
        access: Access,
        sort: Sequence[tuple[str, int]] = (),
        limit: int = 0,
        at: int | None = None,
    ) -> Found:
        """Return the first matches in the given order; fewer than `limit` if they are very long."""
        return await self.find_any([(condition, access)], sort, limit, at)

    async def find_any(
        self,
        parts: Sequence[Part],
        sort: Sequence[tuple[str, int]] = (),
        limit: int = 0,
        at: int | None = None,
        hint: str = "",
    ) -> Found:
        """Return the first of all that any of the parts selects; `hint` names an index."""
        command = self._command(parts, PROJECTION, at) | {"batchSize": limit or SCAN_BATCH}
        # Of several conditions the planner sorts all matches, even if an index has their order.
        by_time = len(parts) > 1 and bool(sort) and sort[0][0] == "u"
        if by_time and await self.count_any(parts, at, FEW + 1) > FEW:
            hint = "updated"
        if hint:
            command["hint"] = hint
        if sort:
            command["sort"] = dict(sort)
        if limit:
            command["limit"] = limit
        reply = await self._run(command)
        cursor = reply["cursor"]
        # One reply holds 16 MB; what does not fit is the next page's.
        if cut := cursor["id"] != 0:
            await self._run({"killCursors": self._name, "cursors": [cursor["id"]]})
        rows = [(version(found), int(found.get("d", 0))) for found in cursor["firstBatch"]]
        return Found(rows, _number(cursor["atClusterTime"]), cut)

    async def moment(self) -> int:
        """Return a moment from which on all searches of one answer can look."""
        return (await self.find({"_id": ""}, ALL, limit=1)).at

    async def fetch(
        self, keys: Sequence[str], access: Access, at: int | None = None
    ) -> list[Version]:
        """Return the current versions of `Type/id` keys that may be seen, in no order."""
        found: list[Version] = []
        left = list(keys)
        while left:
            some, left = left[:SCAN_BATCH], left[SCAN_BATCH:]
            page = await self.find({"_id": {"$in": some}, "b": {"$exists": True}}, access, at=at)
            found += [version for version, _ in page.rows]
            if page.more:
                had = {version.reference for version, _ in page.rows}
                left += [key for key in some if key not in had]
        return found

    async def count(
        self, condition: Mapping[str, Any], access: Access, at: int | None = None
    ) -> int:
        """Return the exact number of matches."""
        return await self.count_any([(condition, access)], at)

    async def count_any(self, parts: Sequence[Part], at: int | None = None, limit: int = 0) -> int:
        """Return how many any of the parts selects; with a limit, at most that number."""
        stages: list[Document] = [{"$match": _any(parts)}]
        if limit:
            stages.append({"$limit": limit})
        command = {
            "aggregate": self._name,
            "pipeline": [*stages, {"$count": "n"}],
            "cursor": {},
            "maxTimeMS": TIME_LIMIT_MS,
            "readConcern": _concern(at),
        }
        rows = (await self._run(command))["cursor"]["firstBatch"]
        return int(rows[0]["n"]) if rows else 0

    async def distinct(
        self, field: str, parts: Sequence[Part], limit: int, at: int | None = None
    ) -> list[Any]:
        """Return at most `limit` different values of a number that is the head of an index.

        Few matches are read one by one. Behind many, the index is asked for each value in turn:
        500 patients behind 13,000 matches took 5 ms so, and 100 by reading.
        """
        many = await self.count_any(parts, at, FEW + 1) > FEW
        there = {"$gte": LEAST} if many else {"$exists": True}
        stages: list[Document] = [
            {"$match": both(_any(parts), {field: there})},
            {"$group": {"_id": f"${field}"}},
            {"$limit": limit},
        ]
        command = {
            "aggregate": self._name,
            "pipeline": stages,
            "cursor": {"batchSize": limit},
            "maxTimeMS": TIME_LIMIT_MS,
            "readConcern": _concern(at),
        }
        return [row["_id"] for row in (await self._run(command))["cursor"]["firstBatch"]]

    async def scan(
        self,
        parts: Sequence[Part],
        projection: Mapping[str, Any],
        at: int | None = None,
        limit: int = 0,
    ) -> AsyncIterator[Document]:
        """Yield all matches in no order, without holding more than a batch of them."""
        command = self._command(parts, projection, at) | {"batchSize": SCAN_BATCH}
        if limit:
            command["limit"] = limit
        try:
            async with patience(self._patience_s):
                cursor = await self._database.cursor_command(command)
            async with cursor:
                while cursor.alive:
                    async with patience(self._patience_s):
                        batch = await cursor.to_list(SCAN_BATCH)
                    for document in batch:
                        yield document
        except PyMongoError as error:
            raise _refused(error) from error

    async def explain(
        self, parts: Sequence[Part], sort: Sequence[tuple[str, int]], limit: int
    ) -> Document:
        """Return MongoDB's account of how it ran the query."""
        command = self._command(parts, PROJECTION, None) | {"limit": limit}
        command.pop("readConcern")
        if sort:
            command["sort"] = dict(sort)
        return await self._run({"explain": command, "verbosity": "executionStats"})

    def _command(
        self, parts: Sequence[Part], projection: Mapping[str, Any], at: int | None
    ) -> Document:
        return {
            "find": self._name,
            "filter": _any(parts),
            "projection": dict(projection),
            "maxTimeMS": TIME_LIMIT_MS,
            "readConcern": _concern(at),
        }

    async def _run(self, command: Document) -> Document:
        async with patience(self._patience_s):
            try:
                return await self._database.command(command)
            except PyMongoError as error:
                raise _refused(error) from error


def _any(parts: Sequence[Part]) -> Document:
    conditions = [both(dict(condition), visible(access)) for condition, access in parts]
    return conditions[0] if len(conditions) == 1 else {"$or": conditions}


def _concern(at: int | None) -> Document:
    if at is None:
        return {"level": "snapshot"}
    return {"level": "snapshot", "atClusterTime": Timestamp(at >> 32, at & 0xFFFFFFFF)}


def _number(moment: Timestamp) -> int:
    return int(moment.time) << 32 | int(moment.inc)


def _refused(error: PyMongoError) -> Exception:
    if getattr(error, "code", None) in FORGOTTEN:
        return Gone(
            "This page is of a moment too long ago: begin the search again."
            " `MEDFLOW_FHIR__PAGE_LIFETIME_S` says how long pages can be asked for.",
            code="expired",
        )
    return refusal(error)
