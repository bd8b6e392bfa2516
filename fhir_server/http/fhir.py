"""The FHIR RESTful API as a raw ASGI application.

https://hl7.org/fhir/R4/http.html

Raw, because this is the hot path: a framework's route costs several times what a read does. Each
request is answered, whatever happens; an unexpected error is logged under the request's id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from fhir_server.http import binary, routes, system
from fhir_server.http.compression import WORTHWHILE, accepts_gzip, gzipped
from fhir_server.http.negotiation import MIME, negotiate
from fhir_server.http.request import Disconnected, Request, segments
from fhir_server.http.response import ALWAYS, RETURNS, Response, of_error, pretty
from fhir_server.model import Context, Origin
from kernel import log
from kernel.errors import INTERNAL, FhirError, NotAcceptable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from fhir_server.http.authentication import Authenticator
    from fhir_server.service import FhirService
    from kernel.settings import Http

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_log = log.get("http")


class FhirApi:
    """Everything under `root`."""

    def __init__(
        self, service: FhirService, authenticator: Authenticator, settings: Http, root: str
    ) -> None:
        self.root = root
        self.service = service
        self.settings = settings
        self.statements = system.Statements(service, guarded=not authenticator.open)
        self.handled = 0
        self._authenticator = authenticator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request: Request | None = None
        try:
            request = Request.of(scope, receive, self.root, self.settings.public_url)
            response = await self._answer(request)
        except Disconnected:
            return
        except FhirError as error:
            response = of_error(error)
            if error.status == 405 and request is not None:
                response.headers.append((b"allow", _allowed(request)))
        except Exception as error:  # noqa: BLE001  # an unexpected error is answered too
            id = request.id if request is not None else ""
            _log.error("request.failed", request_id=id, exc_info=error)
            response = of_error(FhirError(INTERNAL))
        await _send(scope, send, response, request)
        self.handled += 1

    async def _answer(self, request: Request) -> Response:
        format = request.parameter("_format") if request.query else None
        try:
            request.mime = negotiate(request.header(b"accept"), format)
        except NotAcceptable:
            if not binary.is_asked(request):  # whose content may be what is accepted
                raise
        if request.path in system.PUBLIC:
            response = await system.public(self, request)
        else:
            response = await self._authorised(request)
        return pretty(response) if request.parameter("_pretty") == "true" else response

    async def _authorised(self, request: Request) -> Response:
        principal = await self._authenticator.principal(request.header(b"authorization"))
        ctx = Context(
            principal,
            Origin("rest", principal.name, request.id),
            request.base,
            lenient=request.prefers("handling") == "lenient",
            returns=RETURNS.get(request.prefers("return") or "", ""),
        )
        structlog.contextvars.bind_contextvars(request_id=request.id, origin="rest")
        return await routes.route(self, request, ctx)


def _allowed(request: Request) -> bytes:
    """Return the methods that the path takes, but for the one that was refused."""
    if request.path in system.PUBLIC:
        return b"GET, HEAD"
    methods = routes.place(segments(request.path)).allowed
    return ", ".join(name for name in methods if name != request.method).encode()


async def _send(scope: Scope, send: Send, response: Response, request: Request | None) -> None:
    bodiless = response.status in {204, 304}
    body = response.body
    own = {name for name, _ in response.headers}
    headers = [*(pair for pair in ALWAYS if pair[0] not in own), *response.headers]
    if body and b"content-type" not in own:
        headers.append((b"content-type", request.mime if request is not None else MIME))
    if request is not None:
        headers.append((b"x-request-id", request.id.encode()))
        if len(body) >= WORTHWHILE and accepts_gzip(request.header(b"accept-encoding")):
            body = response.gzipped or await gzipped(body)
            headers.append((b"content-encoding", b"gzip"))
    if not bodiless:
        headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    silent = bodiless or scope["method"] == "HEAD"
    await send({"type": "http.response.body", "body": b"" if silent else body})
