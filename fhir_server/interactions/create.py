"""FHIR create interaction, plain and conditional.

https://hl7.org/fhir/R4/http.html#create
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fhir_server.interactions.criteria import criterion, matched
from fhir_server.model import Result
from fhir_server.store.unit import Unit
from kernel import ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_server.engine import Engine
    from fhir_server.model import Context, Resource
    from fhir_server.store.document import Change


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
        unit = Unit(ctx, [change])
        return (await engine.store.commit(unit))[0]
    wanted = await criterion(engine, ctx, type, if_none_exist)
    existing: list[str] = []

    async def resolve(found: list[list[str]]) -> Sequence[Change]:
        existing[:] = found[0]
        return [change] if matched(wanted, found[0]) is None else []

    unit = Unit(ctx, criteria=[wanted], resolve=resolve)
    results = await engine.store.commit(unit)
    if results:
        return results[0]
    id = existing[0].partition("/")[2]
    current = await engine.store.current(type, id, wanted.access)
    if current is None:  # deleted within the last milliseconds: then none exists
        return await create(engine, ctx, type, body, if_none_exist=if_none_exist)
    return Result(200, current, changed=False)
