"""Operations: `$name` on the system, a type or a resource.

https://hl7.org/fhir/R4/operations.html#executing
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fhir_server import jsonio
from fhir_server.engine import check_id
from fhir_server.http.response import Response, of_json
from fhir_server.interactions.portion import GENERAL
from fhir_server.operations.operation import Call

if TYPE_CHECKING:
    from fhir_server.http.fhir import FhirApi
    from fhir_server.http.request import Request
    from fhir_server.model import Context


async def get(api: FhirApi, request: Request, ctx: Context, parts: list[str]) -> Response:
    return await _run(api, request, ctx, parts, b"")


async def post(api: FhirApi, request: Request, ctx: Context, parts: list[str]) -> Response:
    body = await request.json(api.settings.max_body_bytes, empty=True)
    return await _run(api, request, ctx, parts, body)


async def _run(
    api: FhirApi, request: Request, ctx: Context, parts: list[str], body: bytes
) -> Response:
    *where, name = parts
    type, id = [*where, "", ""][:2]
    values = [pair for pair in request.query if pair[0] not in GENERAL]
    call = Call(type, id and check_id(id), values, jsonio.decode(body) if body else {})
    safe = request.method != "POST"
    return of_json(200, await api.service.operation(ctx, name.removeprefix("$"), call, safe=safe))
