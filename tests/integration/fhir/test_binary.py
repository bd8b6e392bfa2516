"""https://hl7.org/fhir/R4/binary.html#rest"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import httpx
import pytest
import pytest_asyncio

from tests.integration.fhir.web import JSON, client_of, diagnostics, put

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fhir_server.service import FhirService
    from fhir_server.store.store import Store

PDF = b"%PDF-1.7\n\x00\xff"
FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest_asyncio.fixture
async def client(service: FhirService, store: Store) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(service, store) as made:
        yield made


async def store_pdf(client: httpx.AsyncClient) -> str:
    headers = {"content-type": "application/pdf", "x-security-context": "Patient/1"}
    created = await client.post("/fhir/Binary", content=PDF, headers=headers)
    assert created.status_code == 201, created.text
    return f"/fhir/Binary/{created.json()['id']}"


async def test_a_document_becomes_a_binary(client: httpx.AsyncClient) -> None:
    url = await store_pdf(client)

    resource = (await client.get(url)).json()

    assert resource["contentType"] == "application/pdf"
    assert base64.b64decode(resource["data"]) == PDF
    assert resource["securityContext"] == {"reference": "Patient/1"}


async def test_a_document_replaces_a_binary(client: httpx.AsyncClient) -> None:
    await put(client, "Binary", "b", contentType="text/plain", data="YQ==")

    updated = await client.put(
        "/fhir/Binary/b", content=b"new", headers={"content-type": "text/csv"}
    )

    assert updated.status_code == 200
    assert updated.json()["contentType"] == "text/csv"
    assert updated.headers["etag"] == 'W/"2"'


@pytest.mark.parametrize(
    "accept", ["application/pdf", "image/png, application/*", "application/pdf, */*"]
)
async def test_its_content_comes_to_whoever_names_its_format(
    client: httpx.AsyncClient, accept: str
) -> None:
    url = await store_pdf(client)
    by_name = "pdf" in accept

    answer = await client.get(url, headers={"accept": accept})
    version = await client.get(f"{url}/_history/1", headers={"accept": accept})
    again = await client.get(url, headers={"accept": accept, "if-none-match": 'W/"1"'})

    assert answer.content == version.content
    assert (answer.content == PDF) == by_name
    assert again.status_code == 304
    if by_name:
        assert answer.headers["content-type"] == "application/pdf"
        assert answer.headers["content-disposition"] == "attachment"
        assert "sandbox" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["etag"] == 'W/"1"'


@pytest.mark.parametrize(
    "accept",
    [
        "*/*",
        "application/fhir+json",
        "application/json",
        FIREFOX,
        "application/fhir+json, application/pdf;q=0.9",
    ],
)
async def test_the_resource_comes_to_everyone_else(client: httpx.AsyncClient, accept: str) -> None:
    url = await store_pdf(client)

    answer = await client.get(url, headers={"accept": accept})

    assert answer.json()["resourceType"] == "Binary"


async def test_another_format_is_not_acceptable(client: httpx.AsyncClient) -> None:
    url = await store_pdf(client)

    refused = [
        await client.get(url, headers={"accept": "image/png"}),
        await client.get(f"{url}?_format=xml", headers={"accept": "application/pdf"}),
        await client.get("/fhir/Patient/a", headers={"accept": "application/pdf"}),
    ]

    assert [answer.status_code for answer in refused] == [406] * 3


@pytest.mark.parametrize(
    ("headers", "body", "text"),
    [
        ({"content-type": "nonsense"}, b"x", "no media type"),
        ({"content-type": "text/plain"}, b"", "empty"),
        ({"content-type": "text/plain", "x-security-context": "x y"}, b"x", "X-Security-Context"),
        (JSON, b"x", "malformed"),
    ],
)
async def test_what_cannot_be_kept_is_refused(
    client: httpx.AsyncClient, headers: dict[str, str], body: bytes, text: str
) -> None:
    answer = await client.post("/fhir/Binary", content=body, headers=headers)

    assert answer.status_code == 400
    assert text in diagnostics(answer)
