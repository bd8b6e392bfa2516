"""FHIR read interaction.

https://hl7.org/fhir/R4/http.html#read
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fhir_server.engine import check_id
from fhir_server.interactions.portion import WHOLE, narrowed, of_read
from kernel.errors import Gone, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_server.engine import Engine
    from fhir_server.model import Context, Version


async def read(
    engine: Engine, ctx: Context, type: str, id: str, parameters: Sequence[tuple[str, str]] = ()
) -> Version:
    """Return the current version of one resource, or the part that `parameters` ask for.

    Raises:
        NotFound: the id was never used, or the caller may not know of it.
        Gone: the current version is a deletion.
        Invalid: a parameter other than `_summary` and `_elements`, unless lenient.
    """
    access = engine.authorise(ctx, type, "r")
    wanted = of_read(type, parameters, lenient=ctx.lenient) if parameters else WHOLE
    version = await engine.store.current(type, check_id(id), access)
    if version is None:
        raise NotFound(f"Resource `{type}/{id}` was not found.")
    if version.body is None:
        raise Gone(f"Resource `{type}/{id}` was deleted.")
    return narrowed(version, wanted)
