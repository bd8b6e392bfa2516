"""FHIR update interaction: by id, as create, and conditional.

https://hl7.org/fhir/R4/http.html#update
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fhir_server.engine import check_id
from fhir_server.interactions.criteria import criterion, matched
from fhir_server.store.unit import Unit
from kernel import ids
from kernel.errors import BadValue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_server.engine import Engine
    from fhir_server.model import Context, Resource, Result
    from fhir_server.store.document import Change


async def update(
    engine: Engine,
    ctx: Context,
    type: str,
    id: str,
    body: bytes | Resource,
    *,
    if_match: int | None = None,
) -> Result:
    """Replace a resource, or create it under the caller's id; a deleted one comes back.

    Unchanged content makes no new version. `if_match` is the version that must be current; 0: none.

    Raises:
        Invalid: the body is not a valid resource of this type and id.
        PreconditionFailed: another version is current.
    """
    access = engine.authorise(ctx, type, "u")
    given = engine.body(type, body)
    change = engine.change(access, given, check_id(id), "PUT", if_match)
    if given.id != id:
        said = f"is `{given.id[:80]}`" if given.id else "is missing"
        raise BadValue(f"`id` {said}, but the URL says `{id}`.", f"{type}.id")
    unit = Unit(ctx, [change])
    return (await engine.store.commit(unit))[0]


async def conditional_update(
    engine: Engine,
    ctx: Context,
    type: str,
    query: str | Sequence[tuple[str, str]],
    body: bytes | Resource,
) -> Result:
    """Replace the one resource that matches, or create one if none does.

    Raises:
        MultipleMatches: more than one resource matches.
        BadValue: the one that matches has another id than the body.
    """
    access = engine.authorise(ctx, type, "u")
    wanted = criterion(engine, ctx, type, query)
    given = engine.body(type, body)

    async def resolve(found: list[list[str]]) -> Sequence[Change]:
        id = matched(wanted, found[0], given.id)
        return [engine.change(access, given, id or given.id or ids.new(), "PUT")]

    unit = Unit(ctx, criteria=[wanted], resolve=resolve)
    return (await engine.store.commit(unit))[0]
