"""https://fetch.spec.whatwg.org/#http-cors-protocol and compression, on every path."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import httpx
import pytest
import pytest_asyncio

from tests.integration.fhir.web import JSON, PATIENT, client_of, diagnostics, put

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fhir_server.service import FhirService
    from fhir_server.store.store import Store

ORIGIN = {"origin": "https://app.example.org"}
ASKING = ORIGIN | {
    "access-control-request-method": "PUT",
    "access-control-request-headers": "authorization,if-match",
}


@pytest_asyncio.fixture
async def client(service: FhirService, store: Store) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(service, store, max_body_bytes=20_000) as made:
        yield made


@pytest.mark.parametrize("path", ["/fhir/Patient/a", "/fhir", "/auth/token", "/nowhere"])
async def test_a_browser_that_asks_first_is_told_what_it_may_do(
    client: httpx.AsyncClient, path: str
) -> None:
    answer = await client.options(path, headers=ASKING)

    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "PUT" in answer.headers["access-control-allow-methods"]
    assert "Authorization" in answer.headers["access-control-allow-headers"]
    assert "If-Match" in answer.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(
    "path", ["/fhir/Patient", "/fhir/Nonsense", "/openapi.json", "/fhir/metadata"]
)
async def test_a_script_may_read_answers_and_refusals(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path, headers=ORIGIN)
    without = await client.get(path)

    assert answer.headers["access-control-allow-origin"] == "*"
    exposed = {name.strip() for name in answer.headers["access-control-expose-headers"].split(",")}
    assert {
        "ETag",
        "Location",
        "Content-Location",
        "Last-Modified",
        "X-Request-Id",
        "X-Progress",
    } <= exposed
    assert "access-control-allow-origin" not in without.headers


async def test_only_named_origins_may_if_some_are_named(service: FhirService, store: Store) -> None:
    named = "https://app.example.org, https://other.example.org"
    async with client_of(service, store, cors_origins=named) as client:
        known = await client.get("/fhir/Patient", headers=ORIGIN)
        foreign = await client.get("/fhir/Patient", headers={"origin": "https://evil.example"})
        asked = await client.options("/fhir/Patient", headers=ASKING | {"origin": "null"})

    assert known.headers["access-control-allow-origin"] == ORIGIN["origin"]
    assert "Origin" in known.headers["vary"]
    assert "access-control-allow-origin" not in foreign.headers
    assert asked.status_code == 403


async def test_no_origin_at_all_can_be_a_rule(service: FhirService, store: Store) -> None:
    async with client_of(service, store, cors_origins="") as client:
        answer = await client.get("/fhir/Patient", headers=ORIGIN)

    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers


async def test_a_long_answer_is_compressed_for_whoever_accepts_that(
    client: httpx.AsyncClient,
) -> None:
    text = "long " * 1000
    await put(client, "Basic", "b", code={"text": text})
    await put(client, "Basic", "s", code={"text": "short"})

    async with client.stream("GET", "/fhir/Basic/b", headers={"accept-encoding": "gzip"}) as answer:
        raw = b"".join([part async for part in answer.aiter_raw()])
    plain = await client.get("/fhir/Basic/b", headers={"accept-encoding": "identity"})
    short = await client.get("/fhir/Basic/s", headers={"accept-encoding": "gzip"})
    head = await client.head("/fhir/Basic/b", headers={"accept-encoding": "gzip"})

    assert answer.headers["content-encoding"] == "gzip"
    assert "Accept-Encoding" in answer.headers["vary"]
    assert int(answer.headers["content-length"]) == len(raw) < 1000
    assert gzip.decompress(raw) == plain.content
    assert "content-encoding" not in plain.headers
    assert "content-encoding" not in short.headers
    assert head.headers["content-length"] == answer.headers["content-length"]


async def test_a_compressed_body_is_read(client: httpx.AsyncClient) -> None:
    body = gzip.compress(b'{"resourceType":"Patient","active":true}')

    created = await client.post(
        "/fhir/Patient", content=body, headers=JSON | {"content-encoding": "gzip"}
    )

    assert created.status_code == 201
    assert created.json()["active"] is True


async def test_a_compressed_form_is_read(client: httpx.AsyncClient) -> None:
    await client.post("/fhir/Patient", json=PATIENT, headers=JSON)
    headers = {"content-type": "application/x-www-form-urlencoded", "content-encoding": "gzip"}

    found = await client.post(
        "/fhir/Patient/_search", content=gzip.compress(b"name=doe"), headers=headers
    )

    assert len(found.json()["entry"]) == 1


@pytest.mark.parametrize(
    ("encoding", "body", "status", "text"),
    [
        ("gzip", b"{}", 400, "not gzip"),
        ("gzip", gzip.compress(b"{}")[:-2], 400, "ends in the middle"),
        ("gzip", gzip.compress(b" " * 20_001), 413, "longer than 20000 bytes"),
        ("br", b"{}", 415, "`Content-Encoding` is `br`"),
        ("gzip, gzip", b"{}", 415, "`Content-Encoding` is `gzip, gzip`"),
    ],
)
async def test_a_body_that_cannot_be_inflated_is_refused(
    client: httpx.AsyncClient, encoding: str, body: bytes, status: int, text: str
) -> None:
    answer = await client.post(
        "/fhir/Patient", content=body, headers=JSON | {"content-encoding": encoding}
    )

    assert answer.status_code == status
    assert text in diagnostics(answer)
    assert (answer.headers.get("accept-encoding") is not None) == (status == 415)
