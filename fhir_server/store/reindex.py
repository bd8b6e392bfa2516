"""Indexing again what an older generation of the extraction indexed.

Per document and resumable: each document carries the generation that indexed it, and is replaced
only if its version is still the one that was read. docs/adr/0002-one-collection-and-generic-index.md
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pymongo import UpdateOne

from fhir_server.jsonio import decode
from fhir_server.search.extract import index
from fhir_server.store.document import INDEX_GENERATION, index_fields
from kernel import log, tasks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from zoneinfo import ZoneInfo

    from fhir_server.store.mongo import Collections

BATCH: Final = 200
SEARCH_FIELDS: Final = ("s", "q", "p")

_log = log.get("reindex")


class Reindex:
    """Walks over current versions."""

    def __init__(self, collections: Collections, zone: ZoneInfo | None = None) -> None:
        self._resources = collections.resources
        self._bookmarks = collections.bookmarks
        self._zone = zone

    async def outdated(self) -> bool:
        """Return whether documents may be of an older generation than the running code."""
        state = await self._bookmarks.find_one({"_id": "reindex"})
        return state is None or state.get("generation") != INDEX_GENERATION

    async def run(self, *, everything: bool = False) -> AsyncIterator[int]:
        """Index again and yield the number of documents done so far, batch by batch."""
        done, last = 0, ""
        stale: dict[str, Any] = {"b": {"$exists": True}}
        if not everything:
            stale["i"] = {"$ne": INDEX_GENERATION}
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
                break
            await self._resources.bulk_write([self._update(doc) for doc in batch], ordered=False)
            done, last = done + len(batch), batch[-1]["_id"]
            yield done
        await self._bookmarks.update_one(
            {"_id": "reindex"}, {"$set": {"generation": INDEX_GENERATION}}, upsert=True
        )
        _log.info("reindex.done", documents=done)

    def _update(self, stored: dict[str, Any]) -> UpdateOne:
        fields = index_fields(index(decode(stored["b"]), self._zone), stored["u"])
        gone = {name: "" for name in SEARCH_FIELDS if name not in fields}
        change: dict[str, Any] = {"$set": fields} | ({"$unset": gone} if gone else {})
        return UpdateOne({"_id": stored["_id"], "v": stored["v"]}, change)
