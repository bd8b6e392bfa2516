"""The one web application: FHIR mounted raw, everything else as FastAPI routes.

https://hl7.org/fhir/R4/http.html
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from fhir_server import jsonio
from fhir_server.http import oauth
from fhir_server.http.authentication import Authenticator
from fhir_server.http.cors import Cors
from fhir_server.http.docs import add_docs
from fhir_server.http.fhir import FhirApi
from fhir_server.http.openapi import describe
from fhir_server.http.request import request_id
from fhir_server.http.response import of_error
from fhir_server.model import Context, Origin
from kernel import log
from kernel.errors import INTERNAL, FhirError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping, Sequence

    from fastapi import APIRouter
    from starlette.types import Receive, Scope, Send

    from fhir_server.service import FhirService
    from fhir_server.store.accounts import Accounts
    from kernel.settings import Settings

MOUNT: Final = "/fhir"
DESCRIPTION: Final = "FHIR R4, HL7 v2, DICOM and AI over one truth."

_log = log.get("http")


class Application(FastAPI):
    """FastAPI, with the FHIR API in front of its middleware and routing.

    A mount costs a third of what a read does, and answers `/fhir` itself with a redirect.
    """

    fhir: FhirApi
    cors: Cors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        origin = b""
        for name, value in scope["headers"]:
            if name == b"origin":
                origin = value
        if origin:
            if _is_preflight(scope):
                await _answer_preflight(send, self.cors.preflight(origin))
                return
            send = _adding(send, self.cors.headers(origin))
        path: str = scope.get("path", "")
        if path == MOUNT or path.startswith(f"{MOUNT}/"):
            await self.fhir(scope, receive, send)
        else:
            id = request_id(dict(scope["headers"]).get(b"x-request-id", b""))
            await super().__call__(scope, receive, _adding(send, [(b"x-request-id", id.encode())]))


def create_app(service: FhirService, accounts: Accounts, settings: Settings) -> Application:
    """Return the application, without the routers of other packages."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await service.close()

    app = Application(
        title="MedFlow",
        version="R4",
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.openapi_version = "3.0.3"  # the bundled Swagger UI reads no later one
    mode: Any = settings.auth.mode
    authenticator = Authenticator(accounts, mode)
    api = FhirApi(service, authenticator, settings.http, MOUNT)
    app.fhir = api
    app.cors = Cors(settings.http.cors_origins)
    app.state.context = _context(authenticator)
    app.include_router(oauth.router(accounts, settings.auth.token_lifetime_s))
    app.add_exception_handler(FhirError, _refuse)
    app.add_exception_handler(Exception, _fail)
    add_docs(app)
    describe(app)
    return app


def include(app: FastAPI, routers: Sequence[APIRouter]) -> None:
    """Add the routes of other packages."""
    for router in routers:
        app.include_router(router)


def _context(authenticator: Authenticator) -> Callable[[Request], Awaitable[Context]]:
    async def context(request: Request) -> Context:
        """Return who asks, for routes outside of `/fhir`. Raises Unauthenticated."""
        principal = await authenticator.principal(request.headers.get("authorization", ""))
        base = f"{request.url.scheme}://{request.url.netloc}/fhir"
        message = request.headers.get("x-request-id", "")[:128]
        return Context(principal, Origin("rest", principal.name, message), base)

    return context


def _is_preflight(scope: Scope) -> bool:
    return scope["method"] == "OPTIONS" and any(
        name == b"access-control-request-method" for name, _ in scope["headers"]
    )


async def _answer_preflight(send: Send, headers: list[tuple[bytes, bytes]]) -> None:
    status = 204 if headers else 403
    length = [] if headers else [(b"content-length", b"0")]
    made = [*headers, *length, (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": made})
    await send({"type": "http.response.body", "body": b""})


def _adding(send: Send, headers: list[tuple[bytes, bytes]]) -> Send:
    """Return a `send` that adds headers to the answer."""

    async def adding(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *headers]
        await send(message)

    return adding


async def _refuse(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, FhirError)  # noqa: S101  # registered for this class only
    refused = of_error(error)
    response = JSONResponse(jsonio.decode(refused.body), refused.status)
    response.raw_headers.extend(refused.headers)
    return response


async def _fail(request: Request, error: Exception) -> JSONResponse:
    _log.error("request.failed", path=request.url.path, exc_info=error)
    return JSONResponse(jsonio.decode(of_error(FhirError(INTERNAL)).body), 500)
