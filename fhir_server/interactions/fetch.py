"""One entry of a batch or transaction, answered.

https://hl7.org/fhir/R4/http.html#transaction-response
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

import msgspec

from fhir_server.interactions.etag import etag
from fhir_server.interactions.read import read
from fhir_server.interactions.search import search
from kernel.clock import instant

if TYPE_CHECKING:
    from fhir_server.engine import Engine
    from fhir_server.interactions.entries import Entry
    from fhir_server.model import Context, Result, Version

REASONS: Final = {200: "200 OK", 201: "201 Created", 204: "204 No Content"}


async def fetch(engine: Engine, ctx: Context, entry: Entry) -> dict[str, Any]:
    """Return the answer to a GET: a resource or a searchset.

    Raises:
        FhirError: as the interaction itself does.
    """
    if entry.id:
        version = await read(engine, ctx, entry.type, entry.id)
        resource = msgspec.Raw(version.body or b"null")
        return {"resource": resource, "response": _response(200, version)}
    parameters = parse_qsl(entry.query, keep_blank_values=True)
    page = await search(engine, ctx, entry.type, parameters)
    return {"resource": msgspec.Raw(page.body), "response": {"status": REASONS[200]}}


def written(result: Result) -> dict[str, Any]:
    """Return the answer to a write."""
    return {"response": _response(result.status, result.version)}


def _response(status: int, version: Version) -> dict[str, Any]:
    if not version.version:
        return {"status": REASONS[status]}
    return {
        "status": REASONS[status],
        "location": f"{version.reference}/_history/{version.version}",
        "etag": etag(version.version),
        "lastModified": instant(version.updated),
    }
