"""History of one resource, of a type and of the system; and its removal.

https://hl7.org/fhir/R4/http.html#history
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fhir_server.http.response import Response, of_outcome, of_page

if TYPE_CHECKING:
    from fhir_server.http.fhir import FhirApi
    from fhir_server.http.request import Request
    from fhir_server.model import Context


async def of_one(api: FhirApi, request: Request, ctx: Context, parts: list[str]) -> Response:
    return of_page(await api.service.history(ctx, parts[0], parts[1], request.query))


async def of_type(api: FhirApi, request: Request, ctx: Context, parts: list[str]) -> Response:
    return of_page(await api.service.type_history(ctx, parts[0], request.query))


async def of_system(api: FhirApi, request: Request, ctx: Context, _: list[str]) -> Response:
    return of_page(await api.service.system_history(ctx, request.query))


async def delete(api: FhirApi, _: Request, ctx: Context, parts: list[str]) -> Response:
    """Remove the superseded versions for good; the current one stays."""
    count = await api.service.delete_history(ctx, parts[0], parts[1])
    if ctx.returns != "OperationOutcome":
        return Response(204)
    return of_outcome(200, f"{count} superseded versions were removed.", [])
