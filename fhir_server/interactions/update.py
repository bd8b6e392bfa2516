"""FHIR update interaction: by id, as create, and conditional.

https://hl7.org/fhir/R4/http.html#update
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fhir_server.engine import check_id
from fhir_server.interactions.criteria import criterion, matched, shown
from fhir_server.interactions.etag import expected
from fhir_server.store.unit import Unit
from kernel import ids
from kernel.errors import BadValue, PreconditionFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_server.engine import Body, Engine
    from fhir_server.model import Access, Context, Resource, Result
    from fhir_server.store.document import Change
    from fhir_server.store.matching import Criterion


async def update(
    engine: Engine,
    ctx: Context,
    type: str,
    id: str,
    body: bytes | Resource,
    *,
    if_match: int | tuple[int, ...] | None = None,
) -> Result:
    """Replace a resource, or create it under the caller's id; a deleted one comes back.

    Unchanged content makes no new version. `if_match` names the versions of which one must be
    current; 0: there must be none.

    Raises:
        Invalid: the body is not a valid resource of this type and id.
        PreconditionFailed: another version is current.
    """
    access = engine.authorise(ctx, type, "u")
    given = engine.body(type, body)
    change = engine.change(access, given, check_id(id), "PUT", expected(if_match))
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
    *,
    if_match: int | tuple[int, ...] | None = None,
) -> Result:
    """Replace the one resource that matches, or create one if none does.

    If none does and the body has an id, this is an update as create under that id.

    Raises:
        MultipleMatches: more than one resource matches.
        BadValue: the one that matches has another id than the body.
        Conflict: none matches, and the body's id is in use.
        PreconditionFailed: another version is current than `if_match` names.
    """
    access = engine.authorise(ctx, type, "u")
    wanted = await criterion(engine, ctx, type, query)
    given = engine.body(type, body)
    if given.id:
        check_id(given.id)
    expect = expected(if_match)

    async def resolve(found: list[list[str]]) -> Sequence[Change]:
        id = matched(wanted, found[0], given.id)
        new = given.id or ids.new()
        return [replacement(engine, access, wanted, given, id, new, expect)]

    unit = Unit(ctx, criteria=[wanted], resolve=resolve)
    return (await engine.store.commit(unit))[0]


def replacement(
    engine: Engine,
    access: Access,
    criterion: Criterion,
    given: Body,
    id: str | None,
    new: str,
    expect: tuple[int, ...],
) -> Change:
    """Return the change that a conditional update comes to.

    `id` is what matches, None for none; then `new` is created, which must be free if the body
    names it.

    Raises:
        PreconditionFailed: nothing matches, and a version was expected.
    """
    if id is not None:
        return engine.change(access, given, id, "PUT", expect)
    if expect and 0 not in expect:
        raise PreconditionFailed(
            f"A current version was expected, but nothing matches `{shown(criterion)}`."
        )
    return replace(engine.change(access, given, new, "PUT"), free=bool(given.id))
