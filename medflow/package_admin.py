"""Packages over REST: `/admin/packages`, for administrators; docs/profiles.md."""

from __future__ import annotations

import tempfile
from typing import IO, TYPE_CHECKING, Any, Final, cast

from fastapi import APIRouter, Depends, Request, Response

from fhir_server.model import Context
from kernel.errors import TooLarge
from medflow import package_facts
from medflow.package_sources import Registry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from medflow.wiring import Parts

    Authenticate = Callable[[Request], Awaitable[Context]]

IN_MEMORY: Final = 4 << 20


def router(parts: Parts, authenticate: Authenticate) -> APIRouter:
    """Return `/admin/packages` with what is below it."""
    routes = APIRouter(prefix="/admin/packages", tags=["administration"])
    caller = Depends(authenticate)
    door, settings = parts.service.packages, parts.settings

    @routes.get("", summary="Loaded FHIR packages")
    async def packages(ctx: Context = caller) -> list[dict[str, Any]]:
        missing = await door.missing(ctx)
        return [package_facts.loaded(one, missing) for one in await door.list(ctx)]

    @routes.post("", summary="Load the FHIR package (.tgz) in the body", status_code=201)
    async def add(
        request: Request, response: Response, strict: bool = False, ctx: Context = caller
    ) -> dict[str, Any]:
        await door.list(ctx)  # whoever may not do it need not send megabytes
        with tempfile.SpooledTemporaryFile(IN_MEMORY) as file:
            await _receive(request, cast("IO[bytes]", file), settings.http.max_body_bytes)
            package = await door.read(ctx, cast("IO[bytes]", file))
        registry = settings.fhir.package_registry
        sources = [Registry(registry)] if registry else []
        done = await door.add(ctx, [package], sources, complete=strict)
        if not any(one.changed for one in done.packages):
            response.status_code = 200
        return package_facts.addition(done)

    @routes.delete("/{name}/{version}", summary="Remove a FHIR package", status_code=204)
    async def remove(name: str, version: str, force: bool = False, ctx: Context = caller) -> None:
        await door.remove(ctx, f"{name}#{version}", force=force)

    return routes


async def _receive(request: Request, file: IO[bytes], limit: int) -> None:
    """Write the body to a file. Raises TooLarge."""
    length = 0
    async for piece in request.stream():
        length += len(piece)
        if length > limit:
            raise TooLarge(
                f"The package is longer than {limit} bytes (`MEDFLOW_HTTP__MAX_BODY_BYTES`)."
                " Add it with `medflow profiles add`."
            )
        file.write(piece)
    file.seek(0)
