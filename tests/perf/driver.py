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
from collections.abc import Awaitable, Callable, Iterable
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
BODY = {"b": 1}


@dataclass(frozen=True, slots=True)
class Driver:
    client: AsyncMongoClient[dict[str, Any]]
    collection: AsyncCollection[dict[str, Any]]
    corpus: Corpus
    name: str = "bare driver"
    pids: frozenset[int] = frozenset({os.getpid()})
    patients: list[str] = field(default_factory=list)
    results: list[dict[str, Any]] = field(default_factory=list)
    chance: random.Random = field(default_factory=lambda: random.Random(7))

    async def take(self, bundles: Iterable[bytes]) -> Imported:
        waiting = iter(bundles)
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

    async def look(self) -> None:
        patients = self.collection.find({"_id": {"$regex": "^Patient/"}}, {"_id": 1})
        self.patients.extend([one["_id"] async for one in patients])
        results = self.collection.find({"codes.0": {"$exists": True}, "p": {"$ne": ""}}, {"b": 0})
        self.results.extend(await results.limit(1000).to_list())

    async def ask(self, operation: str, connections: int, seconds: float) -> Load | None:
        one = self._callers().get(operation)
        return await load.drive([one] * connections, seconds) if one is not None else None

    def _callers(self) -> dict[str, Callable[[], Awaitable[bool | None]]]:
        bodies = itertools.cycle([json.loads(body) for body in self.corpus.observations[:2000]])
        codes = [f"{LOINC}|{code}" for code in self.corpus.codes]

        async def create() -> bool:
            await self.collection.insert_one(document(next(bodies)))
            return True

        async def read() -> bool:
            id = self.chance.choice(self.patients)
            return await self.collection.find_one({"_id": id}, BODY) is not None

        async def token() -> bool:
            return bool(await self._page({"codes": self.chance.choice(codes)}, 20))

        async def patient_code_date() -> bool:
            asked = self.chance.choice(self.results)
            query = {"p": asked["p"], "codes": asked["codes"][0], "d": {"$gte": asked["d"][:7]}}
            return bool(await self._page(query, 20))

        async def include() -> bool:
            page = await self._page({"codes": self.chance.choice(codes)}, 50)
            ids = list({one["p"] for one in page})
            return bool(await self.collection.find({"_id": {"$in": ids}}, BODY).to_list() or page)

        return {
            "create Observation": create,
            "read Patient": read,
            "token, page of 20": token,
            "patient, code and date": patient_code_date,
            "page of 50 with _include": include,
        }

    async def _page(self, query: dict[str, Any], size: int) -> list[dict[str, Any]]:
        return await self.collection.find(query, {"b": 1, "p": 1}).limit(size).to_list()


async def driver(uri: str, corpus: Corpus) -> Driver:
    """Return a client with its collection, indexed for what is asked."""
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(uri)
    collection = client["bench_driver"].get_collection("resources", write_concern=DURABLE)
    await collection.create_index("codes")
    await collection.create_index([("p", 1), ("codes", 1), ("d", 1)])
    return Driver(client, collection, corpus)


def document(resource: dict[str, Any]) -> dict[str, Any]:
    id = f"{resource['resourceType']}/{uuid.uuid4()}"
    coding = resource.get("code", {}).get("coding", ())
    codes = [f"{c.get('system')}|{c.get('code')}" for c in coding]
    subject = resource.get("subject", {}).get("reference", "")
    return {
        "_id": id,
        "codes": codes,
        "p": subject.replace("urn:uuid:", "Patient/"),
        "d": resource.get("effectiveDateTime", ""),
        "b": Binary(json.dumps(resource).encode()),
    }
