"""Indexing again what was indexed by an older version, or without a parameter that there is now.

Per document and resumable: each document carries the generation that indexed it, and is replaced
only if its version is still the one that was read. docs/adr/0002-one-collection-and-generic-index.md
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from pymongo import UpdateOne

from fhir_server.jsonio import decode
from fhir_server.search.extract import index
from fhir_server.search.tokens import type_token
from fhir_server.store.customs import FRESH_S
from fhir_server.store.document import INDEX_GENERATION, SEARCH_FIELDS, index_fields
from kernel import log, tasks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from zoneinfo import ZoneInfo

    from fhir_server.store.customs import Customs
    from fhir_server.store.mongo import Collections

BATCH: Final = 200
SETTLE_S: Final = 2.5 * FRESH_S
"""By then every process has noticed a new parameter, and what it writes is indexed by it."""

_log = log.get("reindex")


class Reindex:
    """Walks over current versions."""

    def __init__(
        self, collections: Collections, customs: Customs, zone: ZoneInfo | None = None
    ) -> None:
        self._resources = collections.resources
        self._bookmarks = collections.bookmarks
        self._customs = customs
        self._zone = zone

    async def outdated(self) -> bool:
        """Return whether documents may be of an older generation than the running code."""
        state = await self._bookmarks.find_one({"_id": "reindex"})
        return state is None or state.get("generation") != INDEX_GENERATION

    async def run(self, *, everything: bool = False) -> AsyncIterator[int]:
        """Index again and yield the number of documents done so far, batch by batch."""
        await self._customs.fresh(0.0)
        done = 0
        stale: dict[str, Any] = {"b": {"$exists": True}}
        if not everything:
            # What a parameter of REST needs is `build`'s work: its documents have their own number.
            custom = [self._customs.generation(type) for type in self._customs.state.by_type]
            stale["i"] = {"$nin": [INDEX_GENERATION, *custom]}
        async for count in self._walk(stale):
            done += count
            yield done
        await self._bookmarks.update_one(
            {"_id": "reindex"}, {"$set": {"generation": INDEX_GENERATION}}, upsert=True
        )
        _log.info("reindex.done", documents=done)

    async def pending(self) -> list[str]:
        """Return the types that lack the index of a parameter, or keep one that is gone."""
        await self._customs.fresh(0.0)
        state = self._customs.state
        return sorted(
            type
            for type in state.by_type.keys() | state.built.keys()
            if {custom.key for custom in self._customs.of(type)} != state.built.get(type, set())
        )

    async def build(self, type: str) -> AsyncIterator[int]:
        """Index one type by its parameters of REST and let them serve; yield how many are done.

        Told on the way under `building` of the bookmark `reindex`: how many, of how many.
        """
        keys = sorted(custom.key for custom in self._customs.of(type))
        await asyncio.sleep(SETTLE_S)
        await self._customs.fresh(0.0)
        stale = {"k": type_token(type), "i": {"$ne": self._customs.generation(type)}}
        done, total = 0, await self._resources.count_documents(stale)
        async for count in self._walk(stale):
            done += count
            await self._tell({"$set": {f"building.{type}": [done, max(done, total)]}})
            yield done
        # One that has changed meanwhile is pending again, under another key.
        await self._tell({"$set": {f"built.{type}": keys}, "$unset": {f"building.{type}": 1}})
        await self._customs.fresh(0.0)
        _log.info("parameters.built", type=type, documents=done, parameters=len(keys))

    async def progress(self) -> dict[str, Any]:
        """Return what is being built and which definitions are refused, for administrators."""
        await self._customs.fresh(0.0)
        state = await self._bookmarks.find_one({"_id": "reindex"}) or {}
        parameters = [
            {
                "type": type,
                "code": row.name,
                "url": row.url,
                "state": "serving" if row.ready else "building",
            }
            for type, rows in sorted(self._customs.known.custom.items())
            for row in rows.values()
        ]
        building = {
            type: {"done": done, "total": total}
            for type, (done, total) in (state.get("building") or {}).items()
        }
        refused = [{"id": id, "reason": why} for id, why in self._customs.state.refused.items()]
        return {
            "generation": state.get("generation"),
            "current": INDEX_GENERATION,
            "parameters": parameters,
            "building": building,
            "refused": refused,
        }

    async def _tell(self, change: dict[str, Any]) -> None:
        await self._bookmarks.update_one({"_id": "reindex"}, change, upsert=True)

    async def _walk(self, stale: dict[str, Any]) -> AsyncIterator[int]:
        last = ""
        while True:
            tasks.checkpoint()
            found = self._resources.find(
                stale | {"_id": {"$gt": last}},
                {"b": 1, "v": 1, "u": 1},
                sort=[("_id", 1)],
                limit=BATCH,
            )
            batch = await found.to_list()
            if not batch:
                return
            await self._resources.bulk_write([self._update(doc) for doc in batch], ordered=False)
            last = batch[-1]["_id"]
            yield len(batch)

    def _update(self, stored: dict[str, Any]) -> UpdateOne:
        type = stored["_id"].partition("/")[0]
        indexed = index(decode(stored["b"]), self._zone, self._customs.of(type))
        fields = index_fields(indexed, stored["u"], self._customs.generation(type))
        gone = {name: "" for name in SEARCH_FIELDS if name not in fields}
        change: dict[str, Any] = {"$set": fields} | ({"$unset": gone} if gone else {})
        return UpdateOne({"_id": stored["_id"], "v": stored["v"]}, change)
