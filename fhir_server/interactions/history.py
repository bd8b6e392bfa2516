"""FHIR history interaction of one resource.

https://hl7.org/fhir/R4/http.html#history
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fhir_server.engine import check_id
from fhir_server.interactions.bundle import bundle, full_url
from fhir_server.model import Page
from kernel.clock import instant
from kernel.errors import BadValue, Invalid, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_server.engine import Engine
    from fhir_server.model import Context, Version

POSITIVE = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
STATUS = {"POST": "201", "PUT": "200", "DELETE": "204"}


async def history(
    engine: Engine, ctx: Context, type: str, id: str, parameters: Sequence[tuple[str, str]] = ()
) -> Page:
    """Return the versions of one resource, newest first, deletions included.

    `_count` bounds a page; the `next` link continues below the last version of this one.

    Raises:
        NotFound: the id was never used, or the caller may not know of it.
        Invalid: a parameter other than `_count` and `_format`, or a bad value.
    """
    access = engine.authorise(ctx, type, "r")
    count, below = _parameters(engine, parameters)
    current = await engine.store.current(type, check_id(id), access)
    if current is None:
        raise NotFound(f"Resource `{type}/{id}` was not found.")
    total = 1 + await engine.store.history.count(type, id, access)
    versions = [current] if below is None or below > current.version else []
    limit = min(below or current.version, current.version)
    older = await engine.store.history.before(type, id, access, below=limit, limit=count + 1)
    versions = [*versions, *older]
    shown = versions[:count]
    links = _links(ctx, type, id, parameters, shown if len(versions) > count else [])
    return Page(bundle("history", links, [_entry(ctx, v) for v in shown], total), len(shown))


def _parameters(engine: Engine, parameters: Sequence[tuple[str, str]]) -> tuple[int, int | None]:
    count, below = engine.settings.default_count, None
    for name, value in parameters:
        if name not in {"_count", "_page", "_format", "_pretty"}:
            raise Invalid(
                f"`{name[:80]}` is not a parameter of an instance's history; `_count` is.",
                code="not-supported",
            )
        if name in {"_count", "_page"}:
            if POSITIVE.fullmatch(value) is None:
                raise BadValue(f"`{name}` is `{value[:80]}`; a positive whole number is expected.")
            if name == "_count":
                count = min(int(value), engine.settings.max_count)
            else:
                below = int(value)
    return count, below


def _links(
    ctx: Context,
    type: str,
    id: str,
    parameters: Sequence[tuple[str, str]],
    continued: Sequence[Version],
) -> dict[str, str]:
    url = f"{ctx.base}/{type}/{id}/_history" if ctx.base else f"{type}/{id}/_history"
    asked = [f"{name}={value}" for name, value in parameters if name == "_count"]
    page = [f"_page={value}" for name, value in parameters if name == "_page"]
    links = {"self": _joined(url, asked + page)}
    if continued:
        links["next"] = _joined(url, [*asked, f"_page={continued[-1].version}"])
    return links


def _joined(url: str, query: Sequence[str]) -> str:
    return f"{url}?{'&'.join(query)}" if query else url


def _entry(ctx: Context, version: Version) -> bytes:
    parts = [full_url(ctx.base, version)]
    if version.body is not None:
        parts.append(b',"resource":' + version.body)
    created = version.version == 1 and version.method == "PUT"
    status = "201" if created else STATUS[version.method]
    url = version.type if version.method == "POST" else version.reference
    parts.append(
        f',"request":{{"method":"{version.method}","url":"{url}"}}'
        f',"response":{{"status":"{status}","etag":"W/\\"{version.version}\\"",'
        f'"lastModified":"{instant(version.updated)}"}}}}'.encode()
    )
    return b"".join(parts)
