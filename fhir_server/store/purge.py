"""Removing for good: superseded versions, or a resource with all that it ever was.

https://hl7.org/fhir/R4/http.html#history, https://www.mongodb.com/docs/manual/core/transactions/

Not part of the group transactions: this is rare, and needs the history collection as they do not.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from pymongo.read_concern import ReadConcern

from fhir_server.store.access import both, visible_or_deleted
from fhir_server.store.document import history_key
from fhir_server.store.mongo import DURABLE
from fhir_server.store.patience import PATIENCE_S, patience
from kernel import log
from kernel.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pymongo.asynchronous.client_session import AsyncClientSession

    from fhir_server.model import Access, Context
    from fhir_server.store.mongo import Collections
    from kernel.clock import Clock

LAST: Final = 9_999_999_999
SNAPSHOT: Final = ReadConcern("snapshot")

_log = log.get("purge")


class Purge:
    """Removes versions physically, in a transaction that is repeated if another write is in it."""

    def __init__(
        self, collections: Collections, clock: Clock, patience_s: float = PATIENCE_S
    ) -> None:
        self._collections = collections
        self._clock = clock
        self._patience_s = patience_s

    async def history(self, type: str, id: str, access: Access) -> int:
        """Remove all superseded versions and return how many there were.

        Raises:
            NotFound: there is no such resource, or it may not be seen.
        """
        key = f"{type}/{id}"

        async def work(session: AsyncClientSession) -> int:
            await self._current(key, access, session)
            return await self._superseded(key, session)

        removed = await self._run(work)
        _log.info("history.deleted", reference=key, versions=removed)
        return removed

    async def everything(self, ctx: Context, type: str, id: str, access: Access) -> int:
        """Remove all versions, leave an event, and return how many there were.

        Raises:
            NotFound: there is no such resource, or it may not be seen.
        """
        key = f"{type}/{id}"

        async def work(session: AsyncClientSession) -> int:
            current = await self._current(key, access, session)
            await self._collections.resources.delete_one({"_id": key}, session=session)
            removed = 1 + await self._superseded(key, session)
            now = self._clock()
            row = [key, current["v"], "delete", ctx.origin.protocol, now]
            at = datetime.fromtimestamp(now / 1000, UTC)
            await self._collections.events.insert_one({"at": at, "c": [row]}, session=session)
            return removed

        removed = await self._run(work)
        _log.info("resource.purged", reference=key, versions=removed, by=ctx.principal.name)
        return removed

    async def _run(self, work: Callable[[AsyncClientSession], Awaitable[int]]) -> int:
        async with (
            patience(self._patience_s),
            self._collections.client.start_session() as session,
        ):
            return await session.with_transaction(
                work, read_concern=SNAPSHOT, write_concern=DURABLE
            )

    async def _current(
        self, key: str, access: Access, session: AsyncClientSession
    ) -> dict[str, Any]:
        condition = both({"_id": key}, visible_or_deleted(access))
        found = await self._collections.resources.find_one(condition, {"v": 1}, session=session)
        if found is None:
            raise NotFound(f"Resource `{key}` was not found.")
        return found

    async def _superseded(self, key: str, session: AsyncClientSession) -> int:
        within = {"_id": {"$gte": history_key(key, 0), "$lte": history_key(key, LAST)}}
        removed = await self._collections.history.delete_many(within, session=session)
        return removed.deleted_count
