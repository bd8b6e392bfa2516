"""FHIR history interaction of one resource, of a type, and of the whole system.

https://hl7.org/fhir/R4/http.html#history
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from fhir_server.engine import check_id
from fhir_server.interactions.bundle import bundle, full_url
from fhir_server.interactions.etag import etag
from fhir_server.interactions.history_parameters import asked_for
from fhir_server.interactions.position import read, write
from fhir_server.model import Page
from fhir_server.store.history import Found
from fhir_server.tables import RESOURCE_TYPES
from kernel.clock import instant
from kernel.errors import Forbidden, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fhir_server.engine import Engine
    from fhir_server.interactions.history_parameters import Asked
    from fhir_server.interactions.portion import Portion
    from fhir_server.model import Access, Context, Version
    from fhir_server.store.history import Part

NOTHING: Final = Found([], more=False)
STATUS: Final = {"POST": "201", "DELETE": "204"}


async def history(
    engine: Engine, ctx: Context, type: str, id: str, parameters: Sequence[tuple[str, str]] = ()
) -> Page:
    """Return the versions of one resource, newest first, deletions included.

    Raises:
        NotFound: the id was never used, or the caller may not know of it.
        Invalid: a parameter that a history does not take, unless lenient, or a bad value.
    """
    access = engine.authorise(ctx, type, "r")
    key = f"{type}/{check_id(id)}"
    asked = asked_for(engine, ctx, f"{key}/_history", parameters)
    current = await engine.store.current(type, id, access)
    if current is None:
        raise NotFound(f"Resource `{key}` was not found.")
    shown = asked.span.holds(current)
    total = int(shown) + await engine.store.history.count_superseded(key, access, asked.span)
    found = NOTHING
    if asked.count:
        found = await _of_one(engine, asked, current, access, shown=shown)
    return await _page(engine, ctx, asked, found, total, lambda last: [last.version])


async def type_history(
    engine: Engine, ctx: Context, type: str, parameters: Sequence[tuple[str, str]] = ()
) -> Page:
    """Return the versions of all resources of one type, newest first, deletions included.

    Raises:
        Invalid: a parameter that a history does not take, unless lenient, or a bad value.
    """
    parts = [((type,), engine.authorise(ctx, type, "s"))]
    return await _of_many(engine, ctx, f"{type}/_history", parts, parameters)


async def system_history(
    engine: Engine, ctx: Context, parameters: Sequence[tuple[str, str]] = ()
) -> Page:
    """Return the versions of everything that the caller may search, newest first.

    Raises:
        Forbidden: that is nothing.
        Invalid: a parameter that a history does not take, unless lenient, or a bad value.
    """
    return await _of_many(engine, ctx, "_history", _readable(engine, ctx), parameters)


async def _of_one(
    engine: Engine, asked: Asked, current: Version, access: Access, *, shown: bool
) -> Found:
    [start] = await read(engine, asked.path, asked.page) if asked.page else [None]
    key, superseded = current.reference, engine.store.history.superseded
    if asked.newest:
        below = current.version if start is None else min(start, current.version)
        first = [current] if shown and (start is None or start > current.version) else []
        limit = asked.count - len(first)
        older = await superseded(key, access, asked.span, limit=limit, below=below)
        return Found([*first, *older.rows], older.more)
    above = -1 if start is None else start
    older = await superseded(
        key,
        access,
        asked.span,
        limit=asked.count,
        above=above,
        below=current.version,
        newest=False,
    )
    if older.more or not shown or above >= current.version:
        return older
    if len(older.rows) == asked.count:
        return Found(older.rows, more=True)
    return Found([*older.rows, current], more=False)


async def _of_many(
    engine: Engine,
    ctx: Context,
    path: str,
    parts: Sequence[Part],
    parameters: Sequence[tuple[str, str]],
) -> Page:
    asked = asked_for(engine, ctx, path, parameters)
    total = await engine.store.history.count(parts, asked.span) if asked.total else None
    found = NOTHING
    if asked.count:
        after = await read(engine, asked.path, asked.page) if asked.page else None
        found = await engine.store.history.versions(
            parts,
            asked.span,
            limit=asked.count,
            after=(after[0], after[1]) if after else None,
            newest=asked.newest,
        )
    return await _page(
        engine, ctx, asked, found, total, lambda last: [last.updated, last.reference]
    )


def _readable(engine: Engine, ctx: Context) -> list[Part]:
    """Return the types that the caller may search, those with the same Access together."""
    allowed: dict[Access, list[str]] = {}
    for type in sorted(RESOURCE_TYPES):
        try:
            allowed.setdefault(engine.authorise(ctx, type, "s"), []).append(type)
        except Forbidden:
            continue  # other types may be open
    if not allowed:
        raise Forbidden("Your scopes do not allow to search any type. `system/*.s` would.")
    return [
        (() if len(types) == len(RESOURCE_TYPES) else types, access)
        for access, types in allowed.items()
    ]


async def _page(
    engine: Engine,
    ctx: Context,
    asked: Asked,
    found: Found,
    total: int | None,
    place: Callable[[Version], list[Any]],
) -> Page:
    url = f"{ctx.base}/{asked.path}" if ctx.base else asked.path
    links = {"self": _url(url, asked, asked.page)}
    if found.more:
        links["next"] = _url(url, asked, await write(engine, asked.path, place(found.rows[-1])))
    entries = [_entry(ctx, version, asked.portion) for version in found.rows]
    return Page(bundle("history", links, entries, total), len(entries))


def _url(url: str, asked: Asked, page: str) -> str:
    query = [*asked.kept, *([("_page", page)] if page else [])]
    return f"{url}?{urlencode(query, safe=':,')}" if query else url


def _entry(ctx: Context, version: Version, wanted: Portion) -> bytes:
    parts = [full_url(ctx.base, version)]
    if version.body is not None:
        parts.append(b',"resource":' + wanted.of(version.body, version.type))
    created = version.returned or (version.version == 1 and version.method == "PUT")
    status = "201" if created else STATUS.get(version.method, "200")
    url = version.type if version.method == "POST" else version.reference
    tag = etag(version.version).replace('"', '\\"')
    parts.append(
        f',"request":{{"method":"{version.method}","url":"{url}"}}'
        f',"response":{{"status":"{status}","etag":"{tag}",'
        f'"lastModified":"{instant(version.updated)}"}}}}'.encode()
    )
    return b"".join(parts)
