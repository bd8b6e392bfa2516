"""FHIR read interaction.

https://hl7.org/fhir/R4/http.html#read
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fhir_server.engine import check_id
from kernel.errors import Gone, NotFound

if TYPE_CHECKING:
    from fhir_server.engine import Engine
    from fhir_server.model import Context, Version


async def read(engine: Engine, ctx: Context, type: str, id: str) -> Version:
    """Return the current version of one resource.

    Raises:
        NotFound: the id was never used, or the caller may not know of it.
        Gone: the current version is a deletion.
    """
    access = engine.authorise(ctx, type, "r")
    version = await engine.store.current(type, check_id(id), access)
    if version is None:
        raise NotFound(f"Resource `{type}/{id}` was not found.")
    if version.body is None:
        raise Gone(f"Resource `{type}/{id}` was deleted.")
    return version
