"""The store: one object that holds the parts which speak MongoDB.

docs/adr/0001-bytes-at-rest.md to 0004.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pymongo.errors import PyMongoError

from fhir_server.model import ALL
from fhir_server.search.tokens import type_token
from fhir_server.store import mongo
from fhir_server.store.accounts import Accounts
from fhir_server.store.customs import Customs
from fhir_server.store.document import history_key
from fhir_server.store.finder import Finder
from fhir_server.store.history import History
from fhir_server.store.jobs import Jobs
from fhir_server.store.keys import Keys
from fhir_server.store.messages import Messages
from fhir_server.store.outbox import Relay
from fhir_server.store.packages import Packages
from fhir_server.store.patience import PATIENCE_S, patience
from fhir_server.store.purge import Purge
from fhir_server.store.reader import Reader
from fhir_server.store.reindex import Reindex
from fhir_server.store.writer import Writer
from kernel import clock as clocks

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from fhir_server.model import Access, Result, Version
    from fhir_server.store.unit import Unit
    from kernel.clock import Clock

COUNTS_KEPT_MS: Final = 5000


class Store:
    """Everything that is kept. Each call that touches resources takes the caller's Access."""

    def __init__(
        self,
        collections: mongo.Collections,
        clock: Clock = clocks.now,
        zone: ZoneInfo | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.collections = collections
        self._patience_s = patience_s
        self.finder = Finder(collections, patience_s)
        self.history = History(collections, patience_s)
        self.messages = Messages(collections, patience_s)
        self.jobs = Jobs(collections, patience_s)
        self.accounts = Accounts(collections, patience_s)
        self.keys = Keys(collections, patience_s)
        self.relay = Relay(collections)
        self.customs = Customs(collections, patience_s)
        self.packages = Packages(collections, patience_s)
        self.reindex = Reindex(collections, self.customs, zone)
        self._current = Reader(collections.resources, patience_s)
        self._superseded = Reader(collections.history, patience_s)
        self.purge = Purge(collections, clock, patience_s)
        self._writer = Writer(collections, clock)
        self._counts: dict[str, int] = {}
        self._counted_at = 0

    async def current(self, type: str, id: str, access: Access) -> Version | None:
        return await self._current.get(f"{type}/{id}", access)

    async def superseded(self, type: str, id: str, version: int, access: Access) -> Version | None:
        return await self._superseded.get(history_key(f"{type}/{id}", version), access)

    async def commit(self, unit: Unit) -> list[Result]:
        """Commit one unit. Raises Unavailable if it cannot be known to be durable in time."""
        async with patience(self._patience_s):
            results = await self._writer.commit(unit)
        if any(result.version.type == "SearchParameter" for result in results):
            self.customs.forget()
        return results

    async def page_key(self) -> bytes:
        """Return the key that seals page links."""
        return await self.keys.page()

    async def ping(self) -> float:
        """Return the round trip to the database in milliseconds.

        Raises:
            Unavailable: it did not answer within two seconds.
        """
        started = clocks.now()
        try:
            await self.collections.database.command("ping", maxTimeMS=2000)
        except PyMongoError as error:
            raise mongo.refusal(error) from error
        return clocks.now() - started

    async def counts(self) -> dict[str, int]:
        """Return how many current resources there are, by type: for a page, not for a caller.

        Each count walks over its part of the token index; the answer is kept for some seconds.
        """
        if clocks.now() - self._counted_at > COUNTS_KEPT_MS:
            counts: dict[str, int] = {}
            for type in await self._types():
                counts[type] = await self.finder.count({"k": type_token(type)}, ALL)
            self._counts, self._counted_at = counts, clocks.now()
        return self._counts

    async def _types(self) -> list[str]:
        """Return the types that are stored, each found by one seek behind the one before."""
        found: list[str] = []
        after = ""
        while True:
            stored = await self.collections.resources.find_one(
                {"_id": {"$gt": after}, "b": {"$exists": True}}, {"_id": 1}, sort=[("_id", 1)]
            )
            if stored is None:
                return found
            found.append(stored["_id"].partition("/")[0])
            after = f"{found[-1]}0"  # `0` follows `/`

    async def close(self) -> None:
        await self.collections.client.close()
