"""A place with something of everything in it, and an empty one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest_asyncio

from dicom_node.archive import Archive
from fhir_server.store import mongo
from tests import tgz
from tests.integration.backup.place import IMAGE, UID, Place, message, patient, settled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from fhir_server.model import Context
    from fhir_server.service import FhirService
    from fhir_server.store.store import Store


@pytest_asyncio.fixture(scope="session")
async def elsewhere(mongodb_uri: str) -> AsyncIterator[mongo.Collections]:
    """A second database."""
    made = mongo.connect(mongodb_uri, "medflow_restored")
    await mongo.prepare(made)
    yield made
    await made.client.close()


@pytest_asyncio.fixture
async def other(elsewhere: mongo.Collections, tmp_path: Path) -> Place:
    """An empty place to restore to."""
    for name in await elsewhere.database.list_collection_names():
        await elsewhere.database[name].delete_many({})
    return Place(elsewhere, Archive(tmp_path / "other"))


@pytest_asyncio.fixture
async def place(store: Store, service: FhirService, ctx: Context, tmp_path: Path) -> Place:
    """A place with something of everything in it."""
    archive = Archive(tmp_path / "dicom")
    ids = [f"p{number}" for number in range(150)]  # more than the database gives at first
    await asyncio.gather(*(service.update(ctx, "Patient", id, patient(id, "A")) for id in ids))
    await service.update(ctx, "Patient", "p0", patient("p0", "B"))
    await service.delete(ctx, "Patient", "p1")
    await service.keep(ctx, message())
    await store.accounts.add_client("reporting", ("system/*.rs",))
    await store.accounts.add_user("nora", "nurse", "correct horse")
    await store.packages.add(tgz.package())
    settled(archive, UID, IMAGE)
    return Place(store.collections, archive)
