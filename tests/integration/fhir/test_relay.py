"""https://www.mongodb.com/docs/manual/changeStreams/ and docs/adr/0003-group-transactions.md"""

from __future__ import annotations

import asyncio
import gc
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from kernel import tasks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from fhir_server.model import Context
    from fhir_server.service import FhirService
    from fhir_server.store.store import Store
    from kernel.events import ResourceChanged

PATIENT = {"resourceType": "Patient"}


class Listener:
    """Remembers what it was told; fails as often as it is asked to."""

    def __init__(self, name: str, failures: int = 0) -> None:
        self.name = name
        self.heard: list[ResourceChanged] = []
        self.failures = failures

    async def handle(self, events: Sequence[ResourceChanged]) -> None:
        if self.failures:
            self.failures -= 1
            raise RuntimeError("not now")
        self.heard += events

    @property
    def told(self) -> list[tuple[str, int, str]]:
        return [(event.id, event.version, event.action) for event in self.heard]


@asynccontextmanager
async def relayed(store: Store, listener: Listener) -> AsyncIterator[None]:
    task = asyncio.create_task(store.relay.run(listener))
    try:
        yield
    finally:
        await tasks.stop(task)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def test_events_come_in_the_order_of_their_commits(
    service: FhirService, ctx: Context, store: Store
) -> None:
    listener = Listener("order")
    async with relayed(store, listener):
        await service.update(ctx, "Patient", "a", PATIENT | {"id": "a"})
        await service.update(ctx, "Patient", "a", PATIENT | {"id": "a", "active": True})
        await service.delete(ctx, "Patient", "a")
        await until(lambda: len(listener.heard) >= 3)

    assert listener.told == [("a", 1, "create"), ("a", 2, "update"), ("a", 3, "delete")]
    assert {event.protocol for event in listener.heard} == {"rest"}


async def test_what_happened_before_is_told_too(
    service: FhirService, ctx: Context, store: Store
) -> None:
    await service.update(ctx, "Patient", "early", PATIENT | {"id": "early"})
    listener = Listener("late")

    async with relayed(store, listener):
        await until(lambda: bool(listener.heard))

    assert listener.told == [("early", 1, "create")]


async def test_a_subscriber_goes_on_where_it_was(
    service: FhirService, ctx: Context, store: Store
) -> None:
    first = Listener("resumes")
    async with relayed(store, first):
        await service.update(ctx, "Patient", "a", PATIENT | {"id": "a"})
        await until(lambda: bool(first.heard))
        await _bookmarked(store, "resumes")
    await service.update(ctx, "Patient", "b", PATIENT | {"id": "b"})
    second = Listener("resumes")

    async with relayed(store, second):
        await until(lambda: bool(second.heard))

    assert second.told == [("b", 1, "create")]


async def test_a_bookmark_that_the_oplog_has_forgotten_starts_over(
    service: FhirService, ctx: Context, store: Store
) -> None:
    await service.update(ctx, "Patient", "a", PATIENT | {"id": "a"})
    # A token of another stream: well-formed, and not to be found.
    await store.collections.bookmarks.insert_one(
        {"_id": "lost", "token": {"_data": "82" + "0" * 60}}
    )
    listener = Listener("lost")

    async with relayed(store, listener):
        await until(lambda: bool(listener.heard))

    assert ("a", 1, "create") in listener.told


async def test_what_a_subscriber_failed_on_is_told_again(
    service: FhirService, ctx: Context, store: Store
) -> None:
    listener = Listener("failing", failures=2)
    async with relayed(store, listener):
        await service.update(ctx, "Patient", "a", PATIENT | {"id": "a"})
        await until(lambda: bool(listener.heard))

    assert listener.told == [("a", 1, "create")]


async def test_the_number_of_an_event_is_the_same_on_every_delivery(
    service: FhirService, ctx: Context, store: Store
) -> None:
    await service.update(ctx, "Patient", "a", PATIENT | {"id": "a"})
    one, other = Listener("one"), Listener("other")

    async with relayed(store, one), relayed(store, other):
        await until(lambda: bool(one.heard and other.heard))

    assert one.heard == other.heard


async def _bookmarked(store: Store, name: str) -> None:
    async with asyncio.timeout(10):
        while not await store.collections.bookmarks.find_one({"_id": name}):
            await asyncio.sleep(0.01)


# The driver leaves a socket to the collector when it is cancelled while it connects.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_relay_ends_at_whatever_moment_it_is_asked(store: Store) -> None:
    """One `cancel`, and no other: Python 3.11 loses some of those that meet a write to a socket."""
    for turns in range(600):
        task = asyncio.create_task(store.relay.run(Listener(f"asked{turns}")))
        for _ in range(turns % 120):
            await asyncio.sleep(0)

        task.cancel()
        await asyncio.wait({task}, timeout=10)

        assert task.done(), f"asked in turn {turns % 120}, it went on"
    gc.collect()
