"""FHIR update interaction: by id, as create, and conditional.

https://hl7.org/fhir/R4/http.html#update
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fhir_server.engine import check_id
from fhir_server.interactions.criteria import Criteria
from fhir_server.store.unit import Unit
from kernel import ids
from kernel.errors import BadValue, MultipleMatches

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_server.engine import Engine
    from fhir_server.model import Context, Resource, Result
    from fhir_server.store.document import Change
    from fhir_server.store.resolver import Resolver


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
    unit = Unit(ctx.origin.protocol, [change])
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
    criteria = Criteria.of(engine, ctx, type, query)
    given = engine.body(type, body)

    async def resolve(resolver: Resolver) -> Sequence[Change]:
        id = matched(criteria.text, await criteria.matches(resolver), given.id)
        return [engine.change(access, given, id or given.id or ids.new(), "PUT")]

    unit = Unit(ctx.origin.protocol, resolve=resolve)
    return (await engine.store.commit(unit))[0]


def matched(text: str, found: Sequence[str], given: str) -> str | None:
    """Return the id that conditional criteria select, None for none.

    Raises:
        MultipleMatches: there are two or more.
        BadValue: the body names another id.
    """
    if len(found) > 1:
        raise MultipleMatches(f"More than one resource matches `{text[:200]}`.")
    if not found:
        return None
    id = found[0].partition("/")[2]
    if given and given != id:
        raise BadValue(
            f"`id` is `{given[:80]}`, but `{found[0]}` matches. Leave `id` out or send that one.",
            "id",
        )
    return id
