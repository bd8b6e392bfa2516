"""Which interaction a method and a path ask for.

https://hl7.org/fhir/R4/http.html#summary
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from fhir_server import jsonio
from fhir_server.engine import check_id
from fhir_server.http.request import segments
from fhir_server.http.response import Response, of_json, of_result, of_version
from fhir_server.http.smart_configuration import smart_configuration
from fhir_server.interactions.etag import version_of
from fhir_server.operations.operation import Call
from fhir_server.tables import RESOURCE_TYPES
from kernel.errors import BadValue, Invalid, MethodNotAllowed, NotFound

if TYPE_CHECKING:
    from fhir_server.http.fhir import FhirApi
    from fhir_server.http.request import Request
    from fhir_server.model import Context, Result

VERSION: Final = re.compile(r"[1-9]\d{0,8}", re.ASCII)
METADATA: Final = "metadata"
PUBLIC: Final = frozenset({METADATA, ".well-known/smart-configuration"})
GENERAL: Final = frozenset({"_format", "_pretty"})
"""Parameters of any request; they are no search criteria."""
SECURITY: Final = {
    "service": [
        {
            "coding": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
                    "code": "OAuth",
                }
            ]
        }
    ]
}


def public(api: FhirApi, request: Request) -> Response:
    """Answer what needs no token: `/metadata`, and how to get one."""
    _only(request, "GET", "HEAD")
    if request.path == METADATA:
        return of_json(200, api.service.capabilities(request.base, SECURITY))
    headers = [(b"content-type", b"application/json")]
    return Response(200, jsonio.encode(smart_configuration(request.base)), headers)


async def route(api: FhirApi, request: Request, ctx: Context) -> Response:
    """Answer everything else.

    Raises:
        NotFound: no interaction has such a path.
        MethodNotAllowed: one has, but not with this method.
    """
    parts = segments(request.path)
    if not parts:
        return await _system(api, request, ctx)
    if parts[-1].startswith("$"):
        return await _operation(api, request, ctx, parts)
    if parts[0] not in RESOURCE_TYPES:
        raise NotFound(
            f"`{parts[0][:80]}` is not a resource type of FHIR R4, nor a path of this server.",
            code="not-supported",
        )
    match parts[1:]:
        case []:
            return await _type(api, request, ctx, parts[0])
        case ["_search"]:
            _only(request, "POST")
            form = await request.form(api.settings.max_body_bytes)
            return await _search(api, request, ctx, parts[0], form)
        case [id] if not id.startswith("_"):
            return await _instance(api, request, ctx, parts[0], id)
        case [id, "_history"]:
            _only(request, "GET", "HEAD")
            page = await api.service.history(ctx, parts[0], id, request.query)
            return Response(200, page.body)
        case [id, "_history", version]:
            _only(request, "GET", "HEAD")
            return await _vread(api, request, ctx, parts[0], id, version)
        case _:
            raise NotFound(f"`{request.path[:120]}` is not a path of this server.")


async def _operation(api: FhirApi, request: Request, ctx: Context, parts: list[str]) -> Response:
    """Run `$name`, `Type/$name` or `Type/id/$name`."""
    *where, name = parts
    if len(where) > 2 or (where and where[0] not in RESOURCE_TYPES):
        raise NotFound(f"`{request.path[:120]}` is not a path of this server.")
    _only(request, "GET", "HEAD", "POST")
    type, id = [*where, "", ""][:2]
    if request.method == "POST":
        resource = jsonio.decode(await request.json(api.settings.max_body_bytes))
        call = Call(type, id and check_id(id), request.query, resource)
    else:
        call = Call(type, id and check_id(id), request.query)
    safe = request.method != "POST"
    return of_json(200, await api.service.operation(ctx, name.removeprefix("$"), call, safe=safe))


async def _system(api: FhirApi, request: Request, ctx: Context) -> Response:
    _only(request, "POST", hint="A batch or transaction Bundle is posted here.")
    body = await request.json(api.settings.max_body_bytes)
    return of_json(200, await api.service.bundle(ctx, body))


async def _type(api: FhirApi, request: Request, ctx: Context, type: str) -> Response:
    match request.method:
        case "GET" | "HEAD":
            return await _search(api, request, ctx, type, [])
        case "POST":
            body = await request.json(api.settings.max_body_bytes)
            criteria = request.header(b"if-none-exist") or None
            result = await api.service.create(ctx, type, body, if_none_exist=criteria)
            return of_result(request, result)
        case "PUT":
            body = await request.json(api.settings.max_body_bytes)
            return of_result(request, await _conditional(api, ctx, type, request, body))
        case _:
            raise _not_allowed(request, ("GET", "HEAD", "POST", "PUT"))


async def _conditional(
    api: FhirApi, ctx: Context, type: str, request: Request, body: bytes
) -> Result:
    criteria = [pair for pair in request.query if pair[0] not in GENERAL]
    if not criteria:
        raise MethodNotAllowed(f"A PUT goes to `{type}/id` or to `{type}?criteria`.")
    return await api.service.conditional_update(ctx, type, criteria, body)


async def _search(
    api: FhirApi, request: Request, ctx: Context, type: str, form: list[tuple[str, str]]
) -> Response:
    asked = [pair for pair in [*request.query, *form] if pair[0] not in GENERAL]
    page = await api.service.search(ctx, type, asked)
    return Response(200, page.body)


async def _instance(api: FhirApi, request: Request, ctx: Context, type: str, id: str) -> Response:
    match request.method:
        case "GET" | "HEAD":
            _refuse_criteria(request)
            return of_version(request, await api.service.read(ctx, type, id))
        case "PUT":
            body = await request.json(api.settings.max_body_bytes)
            expected = 0 if _if_none(request) else _if_match(request)
            result = await api.service.update(ctx, type, id, body, if_match=expected)
            return of_result(request, result)
        case "DELETE":
            result = await api.service.delete(ctx, type, id, if_match=_if_match(request))
            return of_result(request, result)
        case _:
            raise _not_allowed(request, ("GET", "HEAD", "PUT", "DELETE"))


async def _vread(
    api: FhirApi, request: Request, ctx: Context, type: str, id: str, version: str
) -> Response:
    if VERSION.fullmatch(version) is None:
        raise NotFound(f"`{version[:40]}` is not a version; versions are whole numbers from 1.")
    return of_version(request, await api.service.vread(ctx, type, id, int(version)))


def _if_match(request: Request) -> int | None:
    tag = request.header(b"if-match")
    if not tag:
        return None
    if "," in tag or tag.strip() == "*":
        raise BadValue(
            '`If-Match` is read as one entity tag, such as `W/"3"`; a list or `*` is not.'
        )
    return version_of(tag)


def _if_none(request: Request) -> bool:
    """Return whether a PUT must create. https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2"""
    tag = request.header(b"if-none-match").strip()
    if tag not in {"", "*"}:
        raise BadValue("`If-None-Match` of an update is `*` or not there.")
    return tag == "*"


def _refuse_criteria(request: Request) -> None:
    """A read takes no criteria; answering as if it had none would mislead."""
    unknown = [name for name, _ in request.query if name not in GENERAL]
    if unknown:
        raise Invalid(
            f"`{unknown[0][:80]}` is not a parameter of a read; `_format` and `_pretty` are.",
            code="not-supported",
        )


def _only(request: Request, *methods: str, hint: str = "") -> None:
    if request.method not in methods:
        raise _not_allowed(request, methods, hint)


def _not_allowed(request: Request, methods: tuple[str, ...], hint: str = "") -> MethodNotAllowed:
    said = f"`{request.method[:20]}` is not possible here; {', '.join(methods)} is. {hint}"
    return MethodNotAllowed(said.strip())
