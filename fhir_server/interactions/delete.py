"""FHIR delete interaction.

https://hl7.org/fhir/R4/http.html#delete
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fhir_server.engine import check_id
from fhir_server.store.document import Change
from fhir_server.store.unit import Unit

if TYPE_CHECKING:
    from fhir_server.engine import Engine
    from fhir_server.model import Context, Result


async def delete(
    engine: Engine, ctx: Context, type: str, id: str, *, if_match: int | None = None
) -> Result:
    """Make a deletion the current version; earlier versions stay in the history.

    Raises:
        NotFound: the id was never used, or the caller may not know of it.
        Gone: it is deleted already.
        PreconditionFailed: another version is current.
    """
    access = engine.authorise(ctx, type, "d")
    change = Change(access, type, check_id(id), "DELETE", None, expect=if_match)
    return (await engine.store.commit(Unit(ctx, [change])))[0]
