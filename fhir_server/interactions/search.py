"""FHIR search interaction on one type.

https://hl7.org/fhir/R4/http.html#search
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from fhir_server import jsonio
from fhir_server.interactions.bundle import bundle, full_url
from fhir_server.model import Page
from fhir_server.search.plan import cursor, plan
from fhir_server.search.query import parse
from kernel.errors import Invalid, TooLarge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_server.engine import Engine
    from fhir_server.model import Context, Version
    from fhir_server.search.query import Query


async def search(
    engine: Engine, ctx: Context, type: str, parameters: Sequence[tuple[str, str]]
) -> Page:
    """Return a searchset; its `next` link exists only if there is a next match.

    Raises:
        Invalid: a parameter or modifier that is not known, unless lenient, or a bad value.
    """
    access = engine.authorise(ctx, type, "s")
    query = _parse(engine, ctx, type, parameters)
    planned = plan(query, engine.zone, base=ctx.base)
    only_count = query.summary == "count" or query.count == 0
    total = None
    if only_count or query.total in {"accurate", "estimate"}:
        total = await engine.store.finder.count(planned.filter, access)
    if only_count:
        return Page(bundle("searchset", {"self": _self(ctx, query, parameters)}, [], total), 0)
    found = await engine.store.finder.find(planned.condition, access, planned.sort, query.count + 1)
    shown = found[: query.count]
    links = {"self": _self(ctx, query, parameters)}
    if len(found) > query.count:
        links["next"] = _next(ctx, query, parameters, shown[-1])
    entries = [_entry(ctx, version) for version, _ in shown]
    entries += _ignored(query)
    return Page(bundle("searchset", links, entries, total), len(shown))


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
    access = engine.authorise(ctx, type, "s")
    query = _parse(engine, ctx, type, parameters)
    planned = plan(query, engine.zone, base=ctx.base)
    found = await engine.store.finder.find(planned.filter, access, planned.sort, limit + 1)
    if len(found) > limit:
        raise TooLarge(f"More than `{limit}` resources of type `{type}` match.")
    return [version for version, _ in found]


def _parse(engine: Engine, ctx: Context, type: str, parameters: Sequence[tuple[str, str]]) -> Query:
    query = parse(
        type,
        parameters,
        lenient=ctx.lenient,
        default_count=engine.settings.default_count,
        max_count=engine.settings.max_count,
    )
    if query.elements or query.summary in {"true", "text", "data"}:
        raise Invalid(
            "`_elements` and `_summary` of `true`, `text` or `data` are not supported yet;"
            " `_summary=count` is.",
            code="not-supported",
        )
    return query


def _self(ctx: Context, query: Query, parameters: Sequence[tuple[str, str]]) -> str:
    """Return the search as it was understood: what was ignored is not in it."""
    asked = [pair for pair in parameters if pair[0].partition(":")[0] not in query.ignored]
    return _url(ctx, query, asked)


def _next(
    ctx: Context,
    query: Query,
    parameters: Sequence[tuple[str, str]],
    last: tuple[Version, int],
) -> str:
    version, date = last
    page = cursor(query, version.reference, date, version.updated)
    asked = [pair for pair in parameters if pair[0] not in {"_page", "_total"}]
    kept = [pair for pair in asked if pair[0].partition(":")[0] not in query.ignored]
    return _url(ctx, query, [*kept, ("_page", page)])


def _url(ctx: Context, query: Query, parameters: Sequence[tuple[str, str]]) -> str:
    path = f"{ctx.base}/{query.type}" if ctx.base else query.type
    # FHIR's separators stay readable.
    return f"{path}?{urlencode(parameters, safe=':,|$/')}" if parameters else path


def _entry(ctx: Context, version: Version) -> bytes:
    body = version.body or b"null"
    return full_url(ctx.base, version) + b',"resource":' + body + b',"search":{"mode":"match"}}'


def _ignored(query: Query) -> list[bytes]:
    """Return what lenient handling left out, as the specification says: an outcome in the page."""
    if not query.ignored:
        return []
    names = ", ".join(f"`{name[:80]}`" for name in query.ignored)
    issue = {
        "severity": "warning",
        "code": "not-supported",
        "diagnostics": f"Ignored, as `Prefer: handling=lenient` asks: {names}.",
    }
    outcome = {"resourceType": "OperationOutcome", "issue": [issue]}
    return [b'{"resource":' + jsonio.encode(outcome) + b',"search":{"mode":"outcome"}}']
