"""Interactions with one resource, by id or by criteria: from the request to the service and back.

https://hl7.org/fhir/R4/http.html#3.1.0
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from fhir_server.http import binary, preconditions
from fhir_server.http.binary import BINARY
from fhir_server.http.response import Response, of_deleted, of_result, of_version
from fhir_server.interactions.portion import GENERAL
from kernel.errors import BadStructure, Invalid, MethodNotAllowed, NotFound

if TYPE_CHECKING:
    from fhir_server.http.fhir import FhirApi
    from fhir_server.http.request import Request
    from fhir_server.model import Context, Version

VERSION: Final = re.compile(r"[1-9]\d{0,8}", re.ASCII)


async def read(api: FhirApi, request: Request, ctx: Context, parts: list[str]) -> Response:
    version = await api.service.read(ctx, parts[0], parts[1], request.query)
    return _sent(request, version)


async def vread(api: FhirApi, request: Request, ctx: Context, parts: list[str]) -> Response:
    type, id, _, number = parts
    if VERSION.fullmatch(number) is None:
        raise NotFound(f"`{number[:40]}` is not a version; versions are whole numbers from 1.")
    version = await api.service.vread(ctx, type, id, int(number), request.query)
    return _sent(request, version)


async def create(api: FhirApi, request: Request, ctx: Context, parts: list[str]) -> Response:
    body = await _body(api, request, parts[0])
    result = await api.service.create(ctx, parts[0], body, if_none_exist=_if_none_exist(request))
    return of_result(request, ctx, result)


async def update(api: FhirApi, request: Request, ctx: Context, parts: list[str]) -> Response:
    _check_bare(request, ctx)
    body = await _body(api, request, parts[0], parts[1])
    expected = preconditions.of_update(request)
    result = await api.service.update(ctx, parts[0], parts[1], body, if_match=expected)
    return of_result(request, ctx, result)


async def conditional_update(
    api: FhirApi, request: Request, ctx: Context, parts: list[str]
) -> Response:
    body = await request.json(api.settings.max_body_bytes)
    criteria = _criteria(request, parts[0])
    expected = preconditions.of_update(request)
    result = await api.service.conditional_update(ctx, parts[0], criteria, body, if_match=expected)
    return of_result(request, ctx, result)


async def patch(api: FhirApi, request: Request, ctx: Context, parts: list[str]) -> Response:
    _check_bare(request, ctx)
    body = await _patch(api, request)
    result = await api.service.patch(
        ctx,
        parts[0],
        parts[1],
        body,
        request.header(b"content-type"),
        if_match=preconditions.if_match(request),
    )
    return of_result(request, ctx, result)


async def conditional_patch(
    api: FhirApi, request: Request, ctx: Context, parts: list[str]
) -> Response:
    criteria = _criteria(request, parts[0])
    body = await _patch(api, request)
    result = await api.service.conditional_patch(
        ctx,
        parts[0],
        criteria,
        body,
        request.header(b"content-type"),
        if_match=preconditions.if_match(request),
    )
    return of_result(request, ctx, result)


async def delete(api: FhirApi, request: Request, ctx: Context, parts: list[str]) -> Response:
    _check_bare(request, ctx)
    expected = preconditions.if_match(request)
    result = await api.service.delete(ctx, parts[0], parts[1], if_match=expected)
    return of_result(request, ctx, result)


async def conditional_delete(
    api: FhirApi, request: Request, ctx: Context, parts: list[str]
) -> Response:
    criteria = _criteria(request, parts[0])
    expected = preconditions.if_match(request)
    deleted = await api.service.conditional_delete(ctx, parts[0], criteria, if_match=expected)
    return of_deleted(ctx, deleted)


def _sent(request: Request, version: Version) -> Response:
    response = of_version(request, version)
    if version.type != BINARY or response.status != 200:
        return response
    return binary.content(request, version) or response


async def _body(api: FhirApi, request: Request, type: str, id: str = "") -> bytes:
    limit = api.settings.max_body_bytes
    if type == BINARY:
        return await binary.resource(request, limit, id)
    return await request.json(limit)


def _if_none_exist(request: Request) -> str | None:
    """Return the criteria of a conditional create.

    R4 has them in a header. Some clients send them in the URL: to ignore them there would make a
    second one of what the client wanted once.
    """
    in_url = urlencode([pair for pair in request.query if pair[0] not in GENERAL])
    if b"if-none-exist" in request.headers:
        return request.header(b"if-none-exist")  # without criteria in it, it is refused
    return in_url or None


async def _patch(api: FhirApi, request: Request) -> bytes:
    body = await request.body(api.settings.max_body_bytes)
    if not body:
        raise BadStructure("The body is empty; a JSON Patch or a FHIRPath Patch is expected.")
    return body


def _check_bare(request: Request, ctx: Context) -> None:
    """Refuse parameters of a write by id: whoever sends criteria means a condition.

    Raises:
        Invalid: there are some, and the caller did not ask for lenient handling.
    """
    if not request.raw_query or ctx.lenient:
        return
    unknown = [name for name, _ in request.query if name not in GENERAL]
    if unknown:
        raise Invalid(
            f"`{unknown[0][:80]}` is not a parameter of this write; `_format` and `_pretty` are."
            " Criteria go behind the type, without an id.",
            code="not-supported",
        )


def _criteria(request: Request, type: str) -> list[tuple[str, str]]:
    """Return what selects the resource to write.

    Raises:
        MethodNotAllowed: nothing does, so the whole type would be meant.
    """
    criteria = [pair for pair in request.query if pair[0] not in GENERAL]
    if not criteria:
        method = request.method
        raise MethodNotAllowed(f"A {method} goes to `{type}/id` or to `{type}?criteria`.")
    return criteria
