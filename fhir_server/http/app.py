"""The one web application: FHIR mounted raw, everything else as FastAPI routes.

https://hl7.org/fhir/R4/http.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from fhir_server import jsonio
from fhir_server.http import oauth
from fhir_server.http.authentication import Authenticator
from fhir_server.http.docs import add_docs
from fhir_server.http.fhir import FhirApi
from fhir_server.http.openapi import describe
from fhir_server.http.response import of_error
from fhir_server.model import Context, Origin
from kernel import log
from kernel.errors import INTERNAL, FhirError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope.get("path", "")
        if scope["type"] == "http" and (path == MOUNT or path.startswith(f"{MOUNT}/")):
            await self.fhir(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def create_app(service: FhirService, accounts: Accounts, settings: Settings) -> Application:
    """Return the application, without the routers of other packages."""
    app = Application(
        title="MedFlow", version="R4", description=DESCRIPTION, docs_url=None, redoc_url=None
    )
    app.openapi_version = "3.0.3"  # the bundled Swagger UI reads no later one
    mode: Any = settings.auth.mode
    authenticator = Authenticator(accounts, mode)
    api = FhirApi(service, authenticator, settings.http, MOUNT)
    app.fhir = api
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


async def _refuse(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, FhirError)  # noqa: S101  # registered for this class only
    refused = of_error(error)
    response = JSONResponse(jsonio.decode(refused.body), refused.status)
    response.raw_headers.extend(refused.headers)
    return response


async def _fail(request: Request, error: Exception) -> JSONResponse:
    _log.error("request.failed", path=request.url.path, exc_info=error)
    return JSONResponse(jsonio.decode(of_error(FhirError(INTERNAL)).body), 500)
