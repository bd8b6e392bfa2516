"""The token endpoint: client credentials for access tokens.

https://www.rfc-editor.org/rfc/rfc6749#section-4.4

The SMART launch flows enter here later; this is the door that they share.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import unquote_plus

from fastapi import APIRouter, Form, Header
from fastapi.responses import JSONResponse

from fhir_server.smart.scopes import parse

if TYPE_CHECKING:
    from fhir_server.store.accounts import Accounts, Client

NOT_STORED: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}


def router(accounts: Accounts, lifetime: int) -> APIRouter:
    """Return `/auth/token`; tokens live `lifetime` seconds."""
    routes = APIRouter(tags=["authorization"])

    @routes.post("/auth/token", summary="An access token for a client's own use")
    async def token(
        grant_type: Annotated[str, Form()] = "",
        scope: Annotated[str, Form()] = "",
        client_id: Annotated[str, Form()] = "",
        client_secret: Annotated[str, Form()] = "",
        authorization: Annotated[str, Header()] = "",
    ) -> JSONResponse:
        if grant_type != "client_credentials":
            return _error(
                400,
                "unsupported_grant_type",
                f"grant_type is `{grant_type[:40]}`; client_credentials is supported.",
            )
        given = _basic(authorization) or (client_id, client_secret)
        client = await accounts.authenticate(*given)
        if client is None:
            return _error(401, "invalid_client", "The client id or secret is not right.")
        if grant_type not in client.grants:
            return _error(400, "unauthorized_client", "The client may not use this grant.")
        granted = _granted(client, scope.split())
        if not granted:
            allowed = " ".join(client.scopes)
            return _error(400, "invalid_scope", f"None of the scopes is the client's: {allowed}.")
        grant = await accounts.issue(client, granted, lifetime)
        answer = {
            "access_token": grant.token,
            "token_type": "bearer",
            "expires_in": grant.expires,
            "scope": " ".join(grant.scopes),
        }
        return JSONResponse(answer, headers=NOT_STORED)

    return routes


def _granted(client: Client, asked: list[str]) -> list[str]:
    """Return the scopes that are asked for and registered; all registered if none is asked for."""
    if not asked:
        return list(client.scopes)
    return [scope for scope in asked if any(_covers(own, scope) for own in client.scopes)]


def _covers(own: str, asked: str) -> bool:
    if own == asked:
        return True
    mine, theirs = parse(own), parse(asked)
    return (
        mine is not None
        and theirs is not None
        and mine.context == theirs.context
        and mine.type in {"*", theirs.type}
        and set(theirs.permissions) <= set(mine.permissions)
    )


def _basic(authorization: str) -> tuple[str, str] | None:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        text = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    client_id, _, secret = text.partition(":")
    return unquote_plus(client_id), unquote_plus(secret)


def _error(status: int, code: str, description: str) -> JSONResponse:
    headers: dict[str, Any] = dict(NOT_STORED)
    if status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="MedFlow"'
    return JSONResponse({"error": code, "error_description": description}, status, headers)
