"""Removing versions for good, for administrators: a law, a court or a mistake may ask for it.

https://hl7.org/fhir/R4/http.html#delete keeps the earlier versions of what is deleted; this does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fhir_server.engine import check_id
from fhir_server.smart.scopes import require_administrator

if TYPE_CHECKING:
    from fhir_server.engine import Engine
    from fhir_server.model import Context


async def delete_history(engine: Engine, ctx: Context, type: str, id: str) -> int:
    """Remove the superseded versions and keep the current one; return how many there were.

    Raises:
        Forbidden: the caller is no administrator.
        NotFound: there is no such resource.
    """
    require_administrator(ctx.principal)
    access = engine.authorise(ctx, type, "d")
    return await engine.store.purge.history(type, check_id(id), access)


async def purge(engine: Engine, ctx: Context, type: str, id: str) -> int:
    """Remove all versions, so that the id is not found instead of gone; return how many there were.

    Raises:
        Forbidden: the caller is no administrator.
        NotFound: there is no such resource.
    """
    require_administrator(ctx.principal)
    access = engine.authorise(ctx, type, "d")
    return await engine.store.purge.everything(ctx, type, check_id(id), access)
