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

    What is deleted already, was never there, or may not be seen by the caller is a success that
    changes nothing, as R4 asks for.

    Raises:
        PreconditionFailed: another version is current than `if_match`.
    """
    access = engine.authorise(ctx, type, "d")
    change = Change(access, type, check_id(id), "DELETE", None, expect=if_match)
    return (await engine.store.commit(Unit(ctx, [change])))[0]
