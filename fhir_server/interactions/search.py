"""FHIR search interaction: on one type, on several, in a compartment.

https://hl7.org/fhir/R4/http.html#search
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from fhir_server.interactions import compartment as compartments
from fhir_server.interactions import explain, ranking
from fhir_server.interactions.include import include
from fhir_server.interactions.searchset import Answer, Place, searchset
from fhir_server.interactions.selection import Selection
from fhir_server.interactions.subset import check_elements
from fhir_server.interactions.unfolding import unfolded
from fhir_server.model import Page
from fhir_server.search import contained
from fhir_server.search import page as pages
from fhir_server.search.nodes import Criterion
from fhir_server.search.query import every_type, parse
from kernel.errors import BadValue, Invalid, NotFound, TooLarge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_server.engine import Engine
    from fhir_server.model import Context, Version
    from fhir_server.search.query import Query
    from fhir_server.store.finder import Part

PAGE: Final = "_page"
"""The parameter of a link to another page: it holds the whole search, sealed."""


JUST_NOW_S: Final = 0.05
TRUNCATED: Final[dict[str, Any]] = {
    "resourceType": "OperationOutcome",
    "issue": [
        {
            "severity": "warning",
            "code": "incomplete",
            "diagnostics": "`:iterate` was followed as far as the server goes for one page;"
            " what lies farther away is not included. Ask for less on a page with `_count`.",
        }
    ],
}


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page starts: the moment of the search, and what came before.

    `included` is the key of the last resource that was sent along with the matches of this page:
    then they have been sent already, and the page has only the rest of what goes with them.
    """

    at: int | None = None
    after: tuple[Any, ...] = ()
    included: str = ""
    total: int | None = None


async def search(
    engine: Engine,
    ctx: Context,
    type: str | None,
    parameters: Sequence[tuple[str, str]],
    *,
    compartment: tuple[str, str] | None = None,
) -> Page:
    """Return a searchset; its `next` link exists only if there is something more.

    Raises:
        Invalid: a parameter or modifier that is not known, unless lenient, or a bad value.
        Gone: the page is of a moment too long ago.
    """
    place = Place(ctx.base, type, compartment)
    asked, position = await _resumed(engine, place, parameters)
    query = await _understood(engine, ctx, place, asked)
    selection = Selection(engine, ctx, position.at)
    if position.at is None and _linked(query):
        selection.at = await engine.store.finder.moment()
    parts = await selection.parts(query, compartment)
    answer = Answer(place, query, total=position.total)
    only_count = query.controls.summary == "count" or query.controls.count == 0
    if only_count or (answer.total is None and query.controls.total in {"accurate", "estimate"}):
        answer.total = await engine.store.finder.count_any(parts, selection.at) if parts else 0
    if parts and not only_count:
        await _fill(engine, ctx, answer, position, parts, selection.at)
    if query.controls.contained_type == "contained" and any(map(contained.is_inside, query.types)):
        answer.rows = await unfolded(engine, selection, query, answer.rows)
    if query.controls.explain:
        answer.outcomes.append(await explain.explained(engine, query, parts, selection.steps))
    return Page(searchset(answer), len(answer.rows))


async def _fill(
    engine: Engine,
    ctx: Context,
    answer: Answer,
    position: Position,
    parts: Sequence[Part],
    moment: int | None,
) -> None:
    """Find the matches of this page and what goes with them, and where the next one starts."""
    controls = answer.query.controls
    rows, more, at = await ranking.rows(engine, controls, parts, position.after, moment)
    following: dict[str, Any] | None = None
    if more:
        following = {"p": rows[-1].place}
    if controls.inclusions:
        matches = [row.version for row in rows]
        found = await include(
            engine, ctx, controls.inclusions, matches, at=at, after=position.included
        )
        answer.included = found.versions
        if found.truncated:
            answer.outcomes.append(TRUNCATED)
        if found.more:
            following = {"p": position.after, "i": found.after}
    answer.rows = [] if position.included else [row.version for row in rows]
    if following is None and not position.after and controls.total != "none":
        answer.total = len(rows) if answer.total is None else answer.total
    if following is not None:
        following |= {"q": answer.query.asked, "w": answer.place.path, "t": at, "n": answer.total}
        answer.next = pages.seal(await engine.store.page_key(), following)


async def find(
    engine: Engine,
    ctx: Context,
    type: str,
    parameters: Sequence[tuple[str, str]],
    limit: int,
) -> list[Version]:
    """Return all matches of a search for a gateway.

    Raises:
        TooLarge: there are more than `limit`.
    """
    query = await _parse(engine, ctx, Place(ctx.base, type, None), parameters)
    parts = await Selection(engine, ctx).parts(query)
    found: list[Version] = []
    after: tuple[Any, ...] = ()
    at: int | None = None
    more = True
    while more and len(found) <= limit:
        rows, more, at = await ranking.rows(engine, query.controls, parts, after, at, limit + 1)
        found += [row.version for row in rows]
        after = rows[-1].place if rows else ()
    if len(found) > limit:
        raise TooLarge(f"More than `{limit}` resources of type `{type}` match.")
    return found


async def _resumed(
    engine: Engine, place: Place, parameters: Sequence[tuple[str, str]]
) -> tuple[Sequence[tuple[str, str]], Position]:
    """Return the search that a link holds and where it goes on, or what is asked anew."""
    given = [value for name, value in parameters if name == PAGE]
    if not given:
        return parameters, Position()
    if len(given) > 1:
        raise Invalid(f"`{PAGE}` may be there once only.")
    content = pages.unseal(await engine.store.page_key(), given[0])
    if content.get("w") != place.path:
        raise BadValue(f"`{PAGE}` is of a link of another search. Follow a `next` link as it is.")
    position = Position(content["t"], tuple(content["p"]), content.get("i", ""), content["n"])
    return [(name, value) for name, value in content["q"]], position


async def _understood(
    engine: Engine, ctx: Context, place: Place, parameters: Sequence[tuple[str, str]]
) -> Query:
    """Return the search; a parameter without a value is left out, if there is one of its name.

    https://hl7.org/fhir/R4/search.html#errors: "Empty parameters are not an error".
    """
    query = await _parse(engine, ctx, place, [pair for pair in parameters if pair[1]])
    empty = [pair for pair in parameters if not pair[1]]
    for pair in empty:
        with suppress(BadValue):
            await _parse(engine, ctx, place, [pair])
    return replace(query, empty=tuple(dict.fromkeys(name for name, _ in empty)))


async def _parse(
    engine: Engine, ctx: Context, place: Place, parameters: Sequence[tuple[str, str]]
) -> Query:
    types, asked = _types(place, parameters)
    read = partial(
        parse,
        types,
        asked,
        default_count=engine.settings.default_count,
        max_count=engine.settings.max_count,
    )
    try:
        query = read(lenient=False, known=engine.known)
    except Invalid:
        # A parameter may have been made a moment ago.
        await engine.store.customs.fresh(JUST_NOW_S)
        query = read(lenient=ctx.lenient, known=engine.known)
    if query.controls.elements:
        plain = tuple(map(contained.plain, types))
        check_elements(plain, query.controls.elements, lenient=ctx.lenient)
    # Links do not repeat what was ignored: whoever follows them need not be lenient again.
    return replace(query, asked=tuple(p for p in parameters if p[0] not in query.ignored))


def _types(
    place: Place, parameters: Sequence[tuple[str, str]]
) -> tuple[tuple[str, ...], list[tuple[str, str]]]:
    """Return the types to search, and the parameters without `_type`."""
    named = [value for name, value in parameters if name == "_type"]
    asked = [pair for pair in parameters if pair[0] != "_type"]
    if place.type is not None:
        if named:
            raise Invalid(f"`_type` belongs to a search of all types, not of `{place.type}`.")
        wanted = dict(asked).get("_contained", "")
        if wanted in {"true", "both"} and place.compartment:
            raise Invalid("`_contained` does not go with a compartment.", code="not-supported")
        inner = contained.inside(place.type)
        return {"true": (inner,), "both": (place.type, inner)}.get(wanted, (place.type,)), asked
    types = every_type(",".join(named))
    if dict(asked).get("_contained", "false") != "false":
        raise Invalid("`_contained` belongs to a search of one type.", code="not-supported")
    if place.compartment is None:
        return types, asked
    held = compartments.types(place.compartment[0])
    if not held:
        raise NotFound(f"`{place.compartment[0]}` has no compartment.", code="not-supported")
    return tuple(type for type in types if type in held), asked


def _linked(query: Query) -> bool:
    """Return whether other resources decide, so that all must be seen as of one moment."""
    return any(
        not isinstance(node, Criterion) for nodes in query.criteria.values() for node in nodes
    )
