"""Searches of a type, of the system and of a compartment, by URL and by form.

https://hl7.org/fhir/R4/http.html#search
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fhir_server.engine import check_id
from fhir_server.http.response import Response, of_page
from fhir_server.interactions.portion import GENERAL

if TYPE_CHECKING:
    from fhir_server.http.fhir import FhirApi
    from fhir_server.http.request import Request
    from fhir_server.model import Context

Pairs = list[tuple[str, str]]


async def of_system(api: FhirApi, request: Request, ctx: Context, _: list[str]) -> Response:
    return of_page(await api.service.search(ctx, None, _asked(request.query)))


async def of_system_by_form(api: FhirApi, request: Request, ctx: Context, _: list[str]) -> Response:
    return of_page(await api.service.search(ctx, None, await _form(api, request)))


async def of_type(api: FhirApi, request: Request, ctx: Context, parts: list[str]) -> Response:
    return of_page(await api.service.search(ctx, parts[0], _asked(request.query)))


async def of_type_by_form(
    api: FhirApi, request: Request, ctx: Context, parts: list[str]
) -> Response:
    return of_page(await api.service.search(ctx, parts[0], await _form(api, request)))


async def of_compartment(
    api: FhirApi, request: Request, ctx: Context, parts: list[str]
) -> Response:
    return await _of_compartment(api, ctx, parts, _asked(request.query))


async def of_compartment_by_form(
    api: FhirApi, request: Request, ctx: Context, parts: list[str]
) -> Response:
    return await _of_compartment(api, ctx, parts, await _form(api, request))


async def _of_compartment(api: FhirApi, ctx: Context, parts: list[str], asked: Pairs) -> Response:
    """`Patient/123/Observation`; `*` stands for every type."""
    owner, id, kind = parts[:3]
    type = None if kind == "*" else kind
    compartment = (owner, check_id(id))
    return of_page(await api.service.search(ctx, type, asked, compartment=compartment))


async def _form(api: FhirApi, request: Request) -> Pairs:
    """Return the parameters of the URL and of the form, which may both be there."""
    return _asked([*request.query, *await request.form(api.settings.max_body_bytes)])


def _asked(pairs: Pairs) -> Pairs:
    return [pair for pair in pairs if pair[0] not in GENERAL]
