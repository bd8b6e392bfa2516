"""History of one resource: superseded versions, newest first.

https://hl7.org/fhir/R4/http.html#history
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pymongo import DESCENDING

from fhir_server.store.access import both, visible_or_deleted
from fhir_server.store.document import history_key, version
from fhir_server.store.patience import PATIENCE_S, patience

if TYPE_CHECKING:
    from fhir_server.model import Access, Version
    from fhir_server.store.mongo import Collections

Document = dict[str, Any]
LAST: Final = 9_999_999_999


class History:
    """Reads superseded versions; the current one is not among them."""

    def __init__(self, collections: Collections, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._history = collections.history

    async def before(
        self, type: str, id: str, access: Access, *, below: int, limit: int
    ) -> list[Version]:
        """Return at most `limit` versions lower than `below`, newest first."""
        condition = _condition(f"{type}/{id}", access, below)
        cursor = self._history.find(condition, sort=[("_id", DESCENDING)], limit=limit)
        async with patience(self._patience_s):
            return [version(found) for found in await cursor.to_list()]

    async def count(self, type: str, id: str, access: Access) -> int:
        """Return how many superseded versions there are."""
        async with patience(self._patience_s):
            return await self._history.count_documents(_condition(f"{type}/{id}", access, LAST))


def _condition(key: str, access: Access, below: int) -> Document:
    within = {"_id": {"$gte": history_key(key, 0), "$lt": history_key(key, below)}}
    return both(within, visible_or_deleted(access))
