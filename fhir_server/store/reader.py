"""Coalescing reader: what is asked while a query is under way goes out together as the next.

docs/adr/0003-group-transactions.md. There is no timer, so an idle server asks at once. There is one
queue per distinct authorisation filter, so that the filter stays in the query.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from fhir_server.store.access import visible_or_deleted
from fhir_server.store.document import version
from fhir_server.store.patience import PATIENCE_S, heard, patience
from kernel.errors import FhirError

if TYPE_CHECKING:
    from pymongo.asynchronous.collection import AsyncCollection

    from fhir_server.model import Access, Version

Document = dict[str, Any]
BATCH: Final = 256
PROJECTION: Final = {"b": 1, "v": 1, "u": 1, "m": 1, "n": 1}


class Reader:
    """Reads documents of one collection by `_id`."""

    def __init__(
        self, collection: AsyncCollection[Document], patience_s: float = PATIENCE_S
    ) -> None:
        self._patience_s = patience_s
        self._collection = collection
        self._queues: dict[Access, dict[str, asyncio.Future[Document | None]]] = {}
        self._running: set[Access] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def get(self, key: str, access: Access) -> Version | None:
        """Return the version stored under `key`, or None if there is none that may be seen.

        Raises:
            Unavailable: the database did not answer.
        """
        queue = self._queues.setdefault(access, {})
        future = queue.get(key)
        if future is None:
            future = queue[key] = asyncio.get_running_loop().create_future()
            future.add_done_callback(heard)
        if access not in self._running:
            self._running.add(access)
            task = asyncio.create_task(self._drain(access))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        # Shielded: one impatient caller must not cancel the read of the others.
        found = await asyncio.shield(future)
        return None if found is None else version(found)

    async def _drain(self, access: Access) -> None:
        try:
            while queue := self._queues.pop(access, None):
                keys = list(queue)
                for start in range(0, len(keys), BATCH):
                    await self._read(
                        access, {key: queue[key] for key in keys[start : start + BATCH]}
                    )
        finally:
            self._running.discard(access)

    async def _read(
        self, access: Access, wanted: dict[str, asyncio.Future[Document | None]]
    ) -> None:
        keys = list(wanted)
        one_or_many = keys[0] if len(keys) == 1 else {"$in": keys}
        found: dict[str, Document] = {}
        failure: FhirError | None = None
        cursor = self._collection.find(
            {"_id": one_or_many} | visible_or_deleted(access), PROJECTION, batch_size=BATCH + 1
        )
        try:
            async with patience(self._patience_s):
                found = {document["_id"]: document for document in await cursor.to_list()}
        except FhirError as error:
            failure = error
        for key, future in wanted.items():
            if future.done():
                continue
            if failure is None:
                future.set_result(found.get(key))
            else:
                future.set_exception(failure)
