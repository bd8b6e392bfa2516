"""The tables of the conformance tests, asked of a real MongoDB.

https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING

import pytest

from tests.conformance.searching import Resource, Row

if TYPE_CHECKING:
    from fhir_server.model import Context
    from fhir_server.service import FhirService

TABLES = (
    "composite", "date", "number", "quantity", "reference", "special", "string", "token", "uri"
)  # fmt: skip


@pytest.mark.parametrize("name", TABLES)
async def test_mongodb_agrees_with_each_row(service: FhirService, ctx: Context, name: str) -> None:
    rows: list[Row] = importlib.import_module(f"tests.conformance.test_search_{name}").ROWS
    ids: dict[str, str] = {}

    wrong = []
    for row in rows:
        id = await kept(service, ctx, row.stored, ids)
        query = [("_id", id), (row.name, row.value)]
        answer = json.loads((await service.search(ctx, row.stored["resourceType"], query)).body)
        if bool(answer.get("entry")) is not row.found:
            wrong.append(str(row))

    assert len(ids) > 5
    assert wrong == []


async def kept(service: FhirService, ctx: Context, resource: Resource, ids: dict[str, str]) -> str:
    """Return the id of a resource, which is stored the first time that it is asked for."""
    text = repr(resource)
    if text not in ids:
        id = resource.get("id", f"row-{len(ids)}")
        await service.update(ctx, resource["resourceType"], id, resource | {"id": id})
        ids[text] = id
    return ids[text]
