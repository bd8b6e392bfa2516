"""Criteria of conditional interactions: a search that decides what is written.

https://hl7.org/fhir/R4/http.html#cond-update
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlencode

from fhir_server.interactions.search import JUST_NOW_S
from fhir_server.interactions.selection import Selection
from fhir_server.search.control import CONTROLS
from fhir_server.search.query import parse
from fhir_server.store.matching import MANY, Criterion
from kernel.errors import BadValue, Invalid, MultipleMatches

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_server.engine import Engine
    from fhir_server.model import Context
    from fhir_server.search.query import Query

LONGEST: Final = 200
"""Characters of criteria that an answer repeats."""


async def criterion(
    engine: Engine,
    ctx: Context,
    type: str,
    query: str | Sequence[tuple[str, str]],
    *,
    lock: bool = True,
    limit: int = MANY + 1,
) -> Criterion:
    """Read `identifier=a|b&…`, with or without a leading `Type?`, or decoded pairs.

    What is not known is refused, also from those who ask for lenient handling: to leave a condition
    out would write to a resource that was not meant. Parameters that only shape an answer select
    nothing, so they do not count.

    The resource itself is looked at inside the transaction that writes. What a chain or `_has` goes
    through is looked for just before it.

    Raises:
        Invalid: no criteria, or one that search would refuse.
    """
    given = _pairs(query) if isinstance(query, str) else list(query)
    parameters = [pair for pair in given if pair[0].partition(":")[0] not in CONTROLS]
    if not any(value.strip() for _, value in parameters):
        raise Invalid("The criteria name no search parameter with a value to match by.")
    access = engine.authorise(ctx, type, "s")
    nodes = (await _understood(engine, type, parameters)).criteria[type]
    condition = await Selection(engine, ctx).filter(type, nodes)
    text = f"{type}?{urlencode(sorted(parameters))}"
    return Criterion(text, condition, access, lock, limit)


async def _understood(engine: Engine, type: str, parameters: Sequence[tuple[str, str]]) -> Query:
    read = partial(parse, type, parameters, lenient=False, default_count=2, max_count=2)
    try:
        return read(known=engine.known)
    except Invalid:
        # A parameter may have been made a moment ago.
        await engine.store.customs.fresh(JUST_NOW_S)
        return read(known=engine.known)


def matched(criterion: Criterion, found: Sequence[str], given: str = "") -> str | None:
    """Return the id that conditional criteria select, None for none; `given` is the body's own.

    Raises:
        MultipleMatches: there are two or more.
        BadValue: the body names another id.
    """
    if len(found) > 1:
        raise several(found, f"`{shown(criterion)}`")
    if not found:
        return None
    id = found[0].partition("/")[2]
    if given and given != id:
        raise BadValue(
            f"`id` is `{given[:80]}`, but `{found[0]}` matches. Leave `id` out or send that one.",
            "id",
        )
    return id


def several(found: Sequence[str], what: str) -> MultipleMatches:
    """Return the refusal of criteria that do not select one resource."""
    count = str(len(found)) if len(found) <= MANY else f"More than {MANY}"
    return MultipleMatches(f"{count} resources match {what}, where one is meant.")


def shown(criterion: Criterion) -> str:
    """Return the criteria as an answer repeats them."""
    return criterion.text[:LONGEST]


def _pairs(query: str) -> list[tuple[str, str]]:
    given = query.partition("?")[2] if "?" in query else query
    return parse_qsl(given, keep_blank_values=True)
