"""The ward, stored once for each test, and a short way to ask."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest
import pytest_asyncio

from fhir_server.model import EVERYTHING, Context, Origin, Principal
from fhir_server.service import FhirService
from tests.integration.search.ward import WARD

BASE = "http://h/fhir"
Ask = Callable[..., Awaitable[dict[str, Any]]]
Find = Callable[..., Awaitable[list[str]]]


def caller(*scopes: str, patient: str | None = None, lenient: bool = False) -> Context:
    principal = Principal("tester", scopes or EVERYTHING, patient)
    return Context(principal, Origin("rest", "tester", "t"), BASE, lenient=lenient)


@pytest_asyncio.fixture
async def ward(service: FhirService) -> FhirService:
    for resource in WARD:
        await service.update(caller(), resource["resourceType"], resource["id"], resource)
    return service


@pytest.fixture
def ask(ward: FhirService) -> Ask:
    """A function: the Bundle for `Patient?name=x`, as everybody or as another caller."""

    async def asked(url: str, ctx: Context | None = None, **more: Any) -> dict[str, Any]:
        path, query = urlsplit(url).path, urlsplit(url).query
        type = path.removeprefix("/fhir/").strip("/").rpartition("/")[2] or None
        parameters = parse_qsl(query, keep_blank_values=True)
        page = await ward.search(
            ctx or caller(), None if type == "fhir" else type, parameters, **more
        )
        return msgspec.json.decode(page.body, type=dict[str, Any])

    return asked


@pytest.fixture
def find(ask: Ask) -> Find:
    """A function: the ids of the matches, in their order."""

    async def found(url: str, ctx: Context | None = None, **more: Any) -> list[str]:
        bundle = await ask(url, ctx, **more)
        return [
            entry["resource"]["id"]
            for entry in bundle.get("entry", ())
            if entry["search"]["mode"] == "match"
        ]

    return found
