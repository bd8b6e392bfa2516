"""FHIR vread interaction.

https://hl7.org/fhir/R4/http.html#vread
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


async def vread(
    engine: Engine,
    ctx: Context,
    type: str,
    id: str,
    version: int,
    parameters: Sequence[tuple[str, str]] = (),
) -> Version:
    """Return one version of one resource, current or superseded, or the part asked for.

    Raises:
        NotFound: there is no such version, or the caller may not know of it.
        Gone: this version is a deletion.
        Invalid: a parameter other than `_summary` and `_elements`, unless lenient.
    """
    access = engine.authorise(ctx, type, "r")
    wanted = of_read(type, parameters, lenient=ctx.lenient) if parameters else WHOLE
    found = await engine.store.current(type, check_id(id), access)
    if found is not None and found.version != version:
        found = await engine.store.superseded(type, id, version, access)
    if found is None:
        raise NotFound(f"Version `{version}` of `{type}/{id}` was not found.")
    if found.body is None:
        raise Gone(f"Version `{version}` of `{type}/{id}` is a deletion.")
    return narrowed(found, wanted)
