"""One entry of a batch or transaction that reads, answered.

https://hl7.org/fhir/R4/http.html#transaction-response
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

import msgspec

from fhir_server.interactions.answer import REASONS, full_url, of_version
from fhir_server.interactions.etag import versions_of
from fhir_server.interactions.history import history, system_history, type_history
from fhir_server.interactions.read import read
from fhir_server.interactions.search import search
from fhir_server.interactions.vread import vread
from fhir_server.model import ANY_VERSION
from fhir_server.tables import RESOURCE_TYPES
from kernel.errors import BadValue, Invalid, NotFound

if TYPE_CHECKING:
    from fhir_server.engine import Engine
    from fhir_server.interactions.entries import Entry
    from fhir_server.model import Context, Page, Version

Aside = Callable[["Context", "Entry"], Awaitable[Mapping[str, Any]]]
"""Answers what is no interaction with resources: an operation, the capabilities."""
_VERSION: Final = re.compile(r"[1-9]\d{0,8}", re.ASCII)
_INSTANT: Final = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?\d*(Z|[+-]\d\d:\d\d)", re.ASCII
)


async def fetch(engine: Engine, ctx: Context, entry: Entry, aside: Aside) -> dict[str, Any]:
    """Return the answer to a GET or HEAD, or to an operation: a resource, or a page.

    Raises:
        FhirError: as the interaction itself does.
    """
    found = await _found(engine, ctx, entry, aside)
    if entry.method == "HEAD":
        return {"response": found["response"]}
    return found


async def _found(engine: Engine, ctx: Context, entry: Entry, aside: Aside) -> dict[str, Any]:
    if entry.operation or entry.tail == ("metadata",):
        resource = await aside(ctx, entry)
        return {"resource": resource, "response": {"status": REASONS[200]}}
    parameters = parse_qsl(entry.query, keep_blank_values=True)
    match entry.tail:
        case () if entry.id:
            version = await read(engine, ctx, entry.type, entry.id, parameters)
            return _resource(ctx, entry, version)
        case ("_history", number) if entry.id:
            if _VERSION.fullmatch(number) is None:
                raise NotFound(f"`{number[:40]}` is not a version; versions are whole numbers.")
            version = await vread(engine, ctx, entry.type, entry.id, int(number), parameters)
            return _resource(ctx, entry, version)
        case _:
            page = await _page(engine, ctx, entry, parameters)
            return {"resource": msgspec.Raw(page.body), "response": {"status": REASONS[200]}}


async def _page(
    engine: Engine, ctx: Context, entry: Entry, parameters: list[tuple[str, str]]
) -> Page:
    match entry.tail:
        case () if not entry.id:
            return await search(engine, ctx, entry.type or None, parameters)
        case ("_history",) if entry.id:
            return await history(engine, ctx, entry.type, entry.id, parameters)
        case ("_history",) if entry.type:
            return await type_history(engine, ctx, entry.type, parameters)
        case ("_history",):
            return await system_history(engine, ctx, parameters)
        case (type,) if entry.id and (type in RESOURCE_TYPES or type == "*"):
            inside = (entry.type, entry.id)
            wanted = None if type == "*" else type
            return await search(engine, ctx, wanted, parameters, compartment=inside)
        case _:
            raise Invalid(
                f"What `{entry.method}` asks for here cannot be read in a Bundle.",
                f"{entry.where}.request.url",
                code="not-supported",
            )


def _resource(ctx: Context, entry: Entry, version: Version) -> dict[str, Any]:
    if unchanged(entry, version):
        return {"response": of_version(304, version)}
    return {
        "fullUrl": full_url(ctx, version),
        "resource": msgspec.Raw(version.body or b"null"),
        "response": of_version(200, version),
    }


def unchanged(entry: Entry, version: Version) -> bool:
    """Return whether the caller has this version already; tags are more exact than a time.

    https://hl7.org/fhir/R4/http.html#cread

    Raises:
        BadValue: a condition without the form that it needs.
    """
    if entry.if_none_match is not None:
        known = versions_of(entry.if_none_match)
        return version.version in known or ANY_VERSION in known
    if entry.if_modified_since is not None:
        return version.updated <= _milliseconds(entry.if_modified_since, entry.where)
    return False


def _milliseconds(text: str, where: str) -> int:
    match = _INSTANT.fullmatch(text)
    try:
        if match is None:
            raise ValueError(text)
        return int(datetime.fromisoformat(text).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise BadValue(
            f"`{text[:60]}` is not an instant; one such as `2024-05-06T07:08:09.123Z` is.",
            f"{where}.request.ifModifiedSince",
        ) from None
