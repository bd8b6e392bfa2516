"""FHIR delete interaction, by id and conditional.

https://hl7.org/fhir/R4/http.html#delete
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fhir_server.engine import check_id
from fhir_server.interactions.criteria import criterion, several, shown
from fhir_server.interactions.etag import expected
from fhir_server.model import Deleted
from fhir_server.store.document import Change
from fhir_server.store.matching import MANY
from fhir_server.store.unit import Unit
from kernel.errors import TooLarge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_server.engine import Engine
    from fhir_server.model import Access, Context, Result
    from fhir_server.store.matching import Criterion


async def delete(
    engine: Engine,
    ctx: Context,
    type: str,
    id: str,
    *,
    if_match: int | tuple[int, ...] | None = None,
) -> Result:
    """Make a deletion the current version; earlier versions stay in the history.

    What is deleted already, was never there, or may not be seen by the caller is a success that
    changes nothing, as R4 asks for.

    Raises:
        PreconditionFailed: another version is current than `if_match` names.
    """
    access = engine.authorise(ctx, type, "d")
    change = Change(access, type, check_id(id), "DELETE", None, expect=expected(if_match))
    return (await engine.store.commit(Unit(ctx, [change])))[0]


async def conditional_delete(
    engine: Engine,
    ctx: Context,
    type: str,
    query: str | Sequence[tuple[str, str]],
    *,
    if_match: int | tuple[int, ...] | None = None,
) -> Deleted:
    """Delete all that matches, in one transaction; nothing that matches is a success.

    https://hl7.org/fhir/R4/http.html#3.1.0.7.1

    Raises:
        Invalid: no criteria, or one that search would refuse.
        MultipleMatches: more than one matches, and the server deletes single ones only.
        TooLarge: more match than the server deletes at once.
        PreconditionFailed: of one that matches another version is current than `if_match` names.
    """
    access = engine.authorise(ctx, type, "d")
    wanted = await deletion(engine, ctx, type, query)

    async def resolve(found: list[list[str]]) -> Sequence[Change]:
        return await deletions(engine, access, wanted, found[0], expected(if_match))

    results = await engine.store.commit(Unit(ctx, criteria=[wanted], resolve=resolve, alone=True))
    gone = tuple(result.version.reference for result in results if result.changed)
    return Deleted(len(gone), gone)


async def deletion(
    engine: Engine, ctx: Context, type: str, query: str | Sequence[tuple[str, str]]
) -> Criterion:
    """Return what a conditional delete must look for.

    Raises:
        Invalid: no criteria, or one that search would refuse.
    """
    limit = engine.settings.max_conditional_delete
    return await criterion(engine, ctx, type, query, lock=False, limit=(limit or MANY) + 1)


async def deletions(
    engine: Engine,
    access: Access,
    criterion: Criterion,
    found: Sequence[str],
    expect: tuple[int, ...] = (),
) -> list[Change]:
    """Return the changes that delete what was found.

    Raises:
        MultipleMatches: more than one, and the server deletes single ones only.
        TooLarge: more than the server deletes at once.
    """
    limit = engine.settings.max_conditional_delete
    if not limit and len(found) > 1:
        raise several(found, f"`{shown(criterion)}`")
    if limit and len(found) > limit:
        count = await engine.store.finder.count(criterion.condition, criterion.access)
        raise TooLarge(
            f"{count} resources match `{shown(criterion)}`; a conditional delete removes at most"
            f" {limit}. Narrow the criteria and repeat it.",
            code="too-costly",
        )
    keys = (reference.partition("/") for reference in found)
    return [Change(access, type, id, "DELETE", None, expect=expect) for type, _, id in keys]
