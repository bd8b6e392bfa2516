"""What tests share: real databases, started once from the binaries that MedFlow ships with."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from fhir_server.model import EVERYTHING, Context, Origin, Principal
from fhir_server.service import FhirService
from fhir_server.store import mongo
from fhir_server.store.store import Store
from kernel import log
from kernel.settings import Fhir
from medflow.embedded import mongodb, redis

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


# Whoever runs the tests may have settings of their own; they are not what is tested.
for _name in [name for name in os.environ if name.startswith("MEDFLOW_")]:
    del os.environ[_name]


@pytest.fixture(autouse=True)
def logging_from_debug_on() -> None:
    """A command that ran in this process may have left the log at another level."""
    log.configure("DEBUG")


@pytest_asyncio.fixture(scope="session")
async def mongodb_uri(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The URI of a MongoDB replica set of this run."""
    async with mongodb.running(tmp_path_factory.mktemp("mongodb"), cache_gb=0.25) as uri:
        yield uri


@pytest_asyncio.fixture(scope="session")
async def redis_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The URL of a Redis of this run."""
    async with redis.running(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest_asyncio.fixture(scope="session")
async def collections(mongodb_uri: str) -> AsyncIterator[mongo.Collections]:
    """One database with its indexes; emptying it costs 9 ms, making it 480."""
    made = mongo.connect(mongodb_uri, "medflow_test")
    await mongo.prepare(made)
    yield made
    await made.client.close()


@pytest_asyncio.fixture
async def store(collections: mongo.Collections) -> Store:
    """A store on the emptied database."""
    for name in await collections.database.list_collection_names():
        await collections.database[name].delete_many({})
    return Store(collections)


@pytest.fixture
def service(store: Store) -> FhirService:
    """The door to an empty server."""
    return FhirService(store, Fhir())


@pytest.fixture
def ctx() -> Context:
    """Someone who may do everything."""
    return Context(Principal("tester", EVERYTHING), Origin("rest", "tester", "test"))
