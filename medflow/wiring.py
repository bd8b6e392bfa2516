"""The object graph, wired by hand; DESIGN: composition root.

Each process makes its own with `wire` and uses only the parts that its role needs.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import redis.asyncio as redis

from fhir_server.service import FhirService
from fhir_server.store import mongo
from fhir_server.store.store import Store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from fhir_server.store.accounts import Accounts
    from fhir_server.store.outbox import Relay
    from kernel.settings import Settings


@dataclass(frozen=True, slots=True)
class Parts:
    """What a role is made of."""

    settings: Settings
    store: Store
    service: FhirService
    redis: redis.Redis

    @property
    def accounts(self) -> Accounts:
        return self.store.accounts

    @property
    def relay(self) -> Relay:
        return self.store.relay

    async def ping(self) -> float:
        """Return the round trip to MongoDB in milliseconds. Raises Unavailable."""
        return await self.store.ping()

    async def counts(self) -> dict[str, int]:
        """Return how many current resources there are, by type; at most some seconds old."""
        return await self.store.counts()


@asynccontextmanager
async def wire(settings: Settings, roles: Sequence[str]) -> AsyncIterator[Parts]:
    """Connect, make collections and indexes that are missing, and close everything at the end.

    `roles` are those that this process runs; none for a command.

    Raises:
        Unavailable: MongoDB does not answer.
    """
    collections = mongo.connect(settings.mongodb_uri.get_secret_value(), settings.mongodb_database)
    zone = ZoneInfo(settings.fhir.time_zone)
    store = Store(collections, zone=zone, patience_s=settings.fhir.patience_s)
    cache = redis.Redis.from_url(settings.redis_url.get_secret_value() or "redis://127.0.0.1:6379")
    try:
        await mongo.prepare(collections, settings.fhir.event_days, settings.fhir.page_lifetime_s)
        yield Parts(settings, store, FhirService(store, settings.fhir), cache)
    finally:
        await cache.aclose()
        await store.close()
