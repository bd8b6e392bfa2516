"""Searches: the planned filter and the authorisation filter in one query.

https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fhir_server.store.access import both, visible
from fhir_server.store.document import version
from fhir_server.store.patience import PATIENCE_S, patience

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fhir_server.model import Access, Version
    from fhir_server.store.mongo import Collections

Document = dict[str, Any]
PROJECTION: Final = {"b": 1, "v": 1, "u": 1, "m": 1, "d": 1}
TIME_LIMIT_MS: Final = 20_000


class Finder:
    """Finds current versions."""

    def __init__(self, collections: Collections, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._resources = collections.resources

    async def find(
        self,
        condition: Mapping[str, Any],
        access: Access,
        sort: Sequence[tuple[str, int]] = (),
        limit: int = 0,
    ) -> list[tuple[Version, int]]:
        """Return matches with their `d`, which the keyset of the next page needs."""
        cursor = self._resources.find(
            both(dict(condition), visible(access)),
            PROJECTION,
            sort=list(sort) or None,
            limit=limit,
            batch_size=limit or 0,
            max_time_ms=TIME_LIMIT_MS,
        )
        async with patience(self._patience_s):
            return [(version(found), int(found.get("d", 0))) for found in await cursor.to_list()]

    async def count(self, condition: Mapping[str, Any], access: Access) -> int:
        """Return the exact number of matches."""
        async with patience(self._patience_s):
            return await self._resources.count_documents(
                both(dict(condition), visible(access)), maxTimeMS=TIME_LIMIT_MS
            )
