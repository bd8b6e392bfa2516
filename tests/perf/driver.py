"""The bare driver: PyMongo alone, one call a request, no HTTP, no FHIR, no history.

It does less than any server has to, and shows what the database and its driver allow without
coalescing (docs/adr/0003-group-transactions.md).
"""

from __future__ import annotations

import itertools
import json
import os
import random
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from bson import Binary
from pymongo import AsyncMongoClient, WriteConcern
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection

from tests.perf import load
from tests.perf.contender import Imported
from tests.perf.corpus import LOINC, Corpus, resources
from tests.perf.load import Load

DURABLE = WriteConcern(w="majority", j=True)


@dataclass(frozen=True, slots=True)
class Driver:
    client: AsyncMongoClient[dict[str, Any]]
    collection: AsyncCollection[dict[str, Any]]
    corpus: Corpus
    name: str = "bare driver"
    pids: frozenset[int] = frozenset({os.getpid()})
    ids: list[str] = field(default_factory=list)
    chance: random.Random = field(default_factory=lambda: random.Random(7))

    async def take(self, bundles: Iterable[bytes]) -> Imported:
        waiting = iter(list(bundles))
        taken = 0

        async def one() -> bool | None:
            nonlocal taken
            bundle = next(waiting, None)
            if bundle is None:
                return None
            found = [document(r) for r in resources(bundle)]

            async def insert(session: AsyncClientSession) -> None:
                await self.collection.insert_many(found, session=session)

            async with self.client.start_session() as session:
                await session.with_transaction(insert, write_concern=DURABLE)
            taken += len(found)
            return True

        return Imported(await load.drive([one] * 4, float("inf")), taken)

    async def create(self, connections: int, seconds: float) -> Load:
        waiting = itertools.cycle([json.loads(body) for body in self.corpus.observations[:2000]])

        async def one() -> bool:
            made = document(next(waiting))
            await self.collection.insert_one(made)
            self.ids.append(made["_id"])
            return True

        return await load.drive([one] * connections, seconds)

    async def read(self, connections: int, seconds: float) -> Load:
        async def one() -> bool:
            found = await self.collection.find_one({"_id": self.chance.choice(self.ids)}, {"b": 1})
            return found is not None

        return await load.drive([one] * connections, seconds)

    async def search(self, connections: int, seconds: float) -> Load:
        codes = [f"{LOINC}|{code}" for code in self.corpus.codes]

        async def one() -> bool:
            query = self.collection.find({"codes": self.chance.choice(codes)}, {"b": 1})
            return bool(await query.limit(20).to_list())

        return await load.drive([one] * connections, seconds)


async def driver(uri: str, corpus: Corpus) -> Driver:
    """Return a client with its collection, indexed by code."""
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(uri)
    collection = client["bench_driver"].get_collection("resources", write_concern=DURABLE)
    await collection.create_index("codes")
    return Driver(client, collection, corpus)


def document(resource: dict[str, Any]) -> dict[str, Any]:
    id = f"{resource['resourceType']}/{uuid.uuid4()}"
    coding = resource.get("code", {}).get("coding", ())
    codes = [f"{c.get('system')}|{c.get('code')}" for c in coding]
    return {"_id": id, "codes": codes, "b": Binary(json.dumps(resource).encode())}
