"""Packages over REST: `/admin/packages`; docs/profiles.md.

https://hl7.org/fhir/R5/packages.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
import pytest_asyncio
import redis.asyncio as redis

from kernel.settings import Auth, Http, Settings
from medflow.application import application
from medflow.wiring import Parts
from tests.integration.fhir.web import diagnostics
from tests.tgz import package_file

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fhir_server.service import FhirService
    from fhir_server.store.store import Store

TGZ = {"content-type": "application/gzip"}


def client_of(
    service: FhirService, store: Store, mode: Any = "open", **http: Any
) -> httpx.AsyncClient:
    settings = Settings(auth=Auth(mode=mode), http=Http(**http))
    app = application(Parts(settings, store, service, redis.Redis()))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://h")


@pytest_asyncio.fixture
async def client(service: FhirService, store: Store) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(service, store) as made:
        yield made


def keys(answer: httpx.Response) -> list[str]:
    return [row["package"] for row in answer.json()]


async def test_a_package_is_added_listed_and_removed(client: httpx.AsyncClient) -> None:
    raw = package_file(dependencies={"nowhere": "1.0.0"})

    added = await client.post("/admin/packages", content=raw, headers=TGZ)
    listed = await client.get("/admin/packages")
    again = await client.post("/admin/packages", content=raw, headers=TGZ)
    removed = await client.delete("/admin/packages/example.guide/1.0.0")
    after = await client.get("/admin/packages")

    assert [one.status_code for one in (added, again, removed)] == [201, 200, 204]
    assert [one["package"] for one in added.json()["missing"]] == ["nowhere#1.0.0"]
    assert keys(listed) == ["medflow.ingest#0.1.0", "example.guide#1.0.0"]
    assert listed.json()[1]["missing"] == ["nowhere#1.0.0"]
    assert keys(after) == ["medflow.ingest#0.1.0"]


async def test_what_must_be_complete_is_refused(client: httpx.AsyncClient) -> None:
    raw = package_file(dependencies={"nowhere": "1.0.0"})

    answer = await client.post("/admin/packages?strict=true", content=raw, headers=TGZ)

    assert answer.status_code == 409
    assert "nowhere#1.0.0" in diagnostics(answer)


@pytest.mark.parametrize("raw", [b"", b"no gzip", package_file()[:99], package_file(name="a b")])
async def test_what_is_no_package_is_refused(client: httpx.AsyncClient, raw: bytes) -> None:
    answer = await client.post("/admin/packages", content=raw, headers=TGZ)

    assert answer.status_code == 400
    assert keys(await client.get("/admin/packages")) == ["medflow.ingest#0.1.0"]


async def test_a_body_beyond_the_limit_is_refused(service: FhirService, store: Store) -> None:
    async with client_of(service, store, max_body_bytes=100) as client:
        answer = await client.post("/admin/packages", content=package_file(), headers=TGZ)

    assert answer.status_code == 413


async def test_what_is_not_there_cannot_be_removed(client: httpx.AsyncClient) -> None:
    answers = [
        await client.delete(f"/admin/packages/{path}")
        for path in ("nowhere/1.0.0", "medflow.ingest/0.1.0")
    ]

    assert [one.status_code for one in answers] == [404, 409]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_who_has_no_token_is_refused(service: FhirService, store: Store, method: str) -> None:
    async with client_of(service, store, "builtin") as client:
        answer = await client.request(method, "/admin/packages", content=package_file())

    assert answer.status_code == 401
