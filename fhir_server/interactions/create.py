"""FHIR create interaction, plain and conditional.

https://hl7.org/fhir/R4/http.html#create
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fhir_server.interactions.criteria import Criteria
from fhir_server.model import Result
from fhir_server.store.unit import Unit
from kernel import ids
from kernel.errors import MultipleMatches

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_server.engine import Engine
    from fhir_server.model import Context, Resource
    from fhir_server.store.document import Change
    from fhir_server.store.resolver import Resolver


async def create(
    engine: Engine,
    ctx: Context,
    type: str,
    body: bytes | Resource,
    *,
    if_none_exist: str | None = None,
) -> Result:
    """Store a new resource under an id of ours; an id in the body is ignored, as R4 says.

    With `if_none_exist` nothing is stored if one resource matches: the result is that one, 200.

    Raises:
        Invalid: the body is not a valid resource of this type.
        MultipleMatches: more than one resource matches `if_none_exist`.
    """
    access = engine.authorise(ctx, type, "c")
    change = engine.change(access, engine.body(type, body), ids.new(), "POST")
    if if_none_exist is None:
        unit = Unit(ctx.origin.protocol, [change])
        return (await engine.store.commit(unit))[0]
    criteria = Criteria.of(engine, ctx, type, if_none_exist)
    existing: list[str] = []

    async def resolve(resolver: Resolver) -> Sequence[Change]:
        existing[:] = await criteria.matches(resolver)
        if len(existing) > 1:
            raise MultipleMatches(f"More than one resource matches `{criteria.text[:200]}`.")
        return [] if existing else [change]

    results = await engine.store.commit(Unit(ctx.origin.protocol, resolve=resolve))
    if results:
        return results[0]
    found = await engine.store.current(*criteria.split(existing[0]), criteria.access)
    if found is None:  # deleted within the last milliseconds: then none exists
        return await create(engine, ctx, type, body, if_none_exist=if_none_exist)
    return Result(200, found, changed=False)
