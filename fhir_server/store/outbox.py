"""The relay: commits' events, followed by a change stream, to subscribers with bookmarks.

https://www.mongodb.com/docs/manual/changeStreams/, docs/adr/0008-one-event-for-a-commit.md

Delivery is at least once and in commit order. A bookmark holds the resume token of what its
subscriber has handled, written about once a second. A subscriber without one, or whose token has left the oplog, is
first given the events that are still kept.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from bson import ObjectId
from pymongo.errors import OperationFailure, PyMongoError

from kernel import log, tasks
from kernel.events import ResourceChanged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymongo.asynchronous.change_stream import AsyncChangeStream

    from fhir_server.store.mongo import Collections
    from kernel.events import Subscriber

Document = dict[str, Any]
BATCH: Final = 500
OVERLAP: Final = 10_000
"""Commits that may fall between opening the stream and the end of the backlog."""
TOKEN_LOST: Final = frozenset({280, 286, 260, 40647, 40649, 40650, 50788, 50795, 50797, 50811})
"""ChangeStreamFatalError, ChangeStreamHistoryLost, InvalidResumeToken, and malformed tokens."""
SLOWEST_RETRY_S: Final = 60.0
MOVE_EVERY_S: Final = 1.0
MARGIN: Final = timedelta(minutes=10)
"""Clocks of processes may differ by this much when events are read again by time."""

_log = log.get("relay")


class Relay:
    """Brings events to subscribers; one `run` per subscriber, in one process of the system."""

    def __init__(self, collections: Collections) -> None:
        self._events = collections.events
        self._bookmarks = collections.bookmarks

    async def run(self, subscriber: Subscriber) -> None:
        """Deliver until cancelled; a failing database is waited for."""
        delay = 0.5
        while True:
            tasks.checkpoint()
            try:
                await self._follow(subscriber)
            except OperationFailure as error:
                if error.code not in TOKEN_LOST:
                    _log.warning("relay.interrupted", subscriber=subscriber.name, code=error.code)
                else:
                    _log.warning("relay.token_lost", subscriber=subscriber.name, code=error.code)
                    await self._bookmarks.update_one(
                        {"_id": subscriber.name}, {"$unset": {"token": 1}}
                    )
            except PyMongoError as error:
                kind = type(error).__name__
                _log.warning("relay.interrupted", subscriber=subscriber.name, error=kind)
            await asyncio.sleep(delay)
            delay = min(delay * 2, 10.0)

    async def _follow(self, subscriber: Subscriber) -> None:
        bookmark = await self._bookmarks.find_one({"_id": subscriber.name}) or {}
        token = bookmark.get("token")
        # The stream is opened before the backlog is read, so that nothing falls between the two.
        stream = await self._events.watch(
            [{"$match": {"operationType": "insert"}}],
            resume_after=token,
            max_await_time_ms=1000,
            batch_size=BATCH,
        )
        async with stream:
            told = await self._backlog(subscriber, bookmark.get("at")) if token is None else set()
            await self._tail(subscriber, stream, told)

    async def _tail(
        self, subscriber: Subscriber, stream: AsyncChangeStream[Document], told: set[ObjectId]
    ) -> None:
        moved = time.monotonic()
        while stream.alive:
            tasks.checkpoint()
            change = await stream.try_next()
            if change is not None and change["fullDocument"]["_id"] not in told:
                await _deliver(subscriber, _events([change["fullDocument"]]))
            # What is delivered again after a crash is at most what this interval holds.
            if change is None or time.monotonic() - moved > MOVE_EVERY_S:
                at = datetime.now(UTC) if change is None else change["fullDocument"]["at"]
                await self._move(subscriber.name, stream.resume_token, at)
                moved = time.monotonic()

    async def _backlog(self, subscriber: Subscriber, since: datetime | None) -> set[ObjectId]:
        """Deliver what is kept; return the newest of it, which the stream may tell as well."""
        condition: Document = {} if since is None else {"at": {"$gte": since - MARGIN}}
        batch: list[Document] = []
        newest: deque[ObjectId] = deque(maxlen=OVERLAP)
        async for event in self._events.find(condition, sort=[("_id", 1)], batch_size=BATCH):
            tasks.checkpoint()
            batch.append(event)
            newest.append(event["_id"])
            if len(batch) == BATCH:
                await _deliver(subscriber, _events(batch))
                batch = []
        if batch:
            await _deliver(subscriber, _events(batch))
        return set(newest)

    async def _move(self, name: str, token: Any, at: datetime) -> None:
        """Remember how far a subscriber is; `at` counts if the token is ever lost."""
        moved: Document = {"token": token, "at": at}
        await self._bookmarks.update_one({"_id": name}, {"$set": moved}, upsert=True)


async def _deliver(subscriber: Subscriber, events: Sequence[ResourceChanged]) -> None:
    delay = 0.2
    while True:
        tasks.checkpoint()
        try:
            await subscriber.handle(events)
        except Exception as error:  # noqa: BLE001  # a subscriber holds up nobody but itself
            _log.error("relay.delivery_failed", subscriber=subscriber.name, exc_info=error)
            await asyncio.sleep(delay)
            delay = min(delay * 2, SLOWEST_RETRY_S)
        else:
            return


def _events(batch: Sequence[Document]) -> list[ResourceChanged]:
    return [
        _event(stored["_id"], index, *change)
        for stored in batch
        for index, change in enumerate(stored["c"])
    ]


def _event(  # the row as `unit._write` stores it
    commit: ObjectId, index: int, reference: str, version: int, action: Any, protocol: str, at: int
) -> ResourceChanged:
    type, _, id = reference.partition("/")
    return ResourceChanged(f"{commit}.{index:05d}", type, id, version, action, at, protocol)
