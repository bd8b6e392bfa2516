"""Administration over REST: the inbox of HL7 v2 messages, the search index; docs/hl7v2.md.

Every call needs scopes over everything: a message may hold anything about anyone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response

from fhir_server.model import Context
from hl7_listener import admin

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from medflow.wiring import Parts

    Authenticate = Callable[[Request], Awaitable[Context]]


def router(parts: Parts, authenticate: Authenticate) -> APIRouter:
    """Return `/admin/hl7/messages` with what is below it, and `/admin/reindex`."""
    routes = APIRouter(prefix="/admin/hl7/messages", tags=["administration"])
    caller = Depends(authenticate)
    index = APIRouter(prefix="/admin/reindex", tags=["administration"])

    @index.get("", summary="Search parameters of your own, and how far their index is")
    async def progress(ctx: Context = caller) -> dict[str, Any]:
        return await parts.service.index_progress(ctx)

    service, settings = parts.service, parts.settings.hl7

    @routes.get("", summary="Kept messages, newest first")
    async def messages(
        state: Literal["applied", "refused"] | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        ctx: Context = caller,
    ) -> list[dict[str, Any]]:
        return await admin.messages(service, ctx, state=state, limit=limit)

    @routes.get("/{id}", summary="One kept message, without its content")
    async def message(id: str, ctx: Context = caller) -> dict[str, Any]:
        return admin.summary(await admin.message(service, ctx, id))

    @routes.get("/{id}/raw", summary="The bytes as they arrived")
    async def raw(id: str, ctx: Context = caller) -> Response:
        kept = await admin.message(service, ctx, id)
        return Response(
            kept.raw, media_type="application/hl7-v2", headers={"Cache-Control": "no-store"}
        )

    @routes.post("/{id}/replay", summary="Map it again with the tables of today")
    async def replay(id: str, ctx: Context = caller) -> dict[str, Any]:
        return await admin.replay(service, ctx, id, settings=settings)

    whole = APIRouter()
    whole.include_router(routes)
    whole.include_router(index)
    return whole
