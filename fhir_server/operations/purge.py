"""$purge: remove a resource with all its versions for good.

Not of the specification, whose deletion keeps the history: https://hl7.org/fhir/R4/http.html#delete
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fhir_server.operations.operation import Call, Operation
from fhir_server.smart.scopes import require_administrator

if TYPE_CHECKING:
    from fhir_server.engine import Engine
    from fhir_server.model import Context


async def purge(engine: Engine, ctx: Context, call: Call) -> dict[str, Any]:
    """Return how many versions were removed.

    Raises:
        Forbidden: the caller is no administrator.
        NotFound: there is no such resource.
    """
    require_administrator(ctx.principal)
    access = engine.authorise(ctx, call.type, "d")
    removed = await engine.store.purge.everything(ctx, call.type, call.id, access)
    return {
        "resourceType": "Parameters",
        "parameter": [{"name": "versions", "valueInteger": removed}],
    }


PURGE = Operation(
    "purge",
    "urn:medflow:operation:purge",
    frozenset({"instance"}),
    purge,
    affects_state=True,
)
