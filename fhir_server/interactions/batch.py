"""FHIR batch: each entry on its own, as if it had been sent alone.

https://hl7.org/fhir/R4/http.html#transaction
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from fhir_server.interactions.answer import deleted, written
from fhir_server.interactions.create import create
from fhir_server.interactions.delete import conditional_delete, delete
from fhir_server.interactions.fetch import fetch
from fhir_server.interactions.patch import conditional_patch, of_resource, patch
from fhir_server.interactions.update import conditional_update, update
from kernel import log
from kernel.errors import INTERNAL, FhirError, outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_server.engine import Engine
    from fhir_server.interactions.entries import Entry
    from fhir_server.interactions.fetch import Aside
    from fhir_server.model import Context, Result

AT_ONCE: Final = 64

_log = log.get("batch")


async def batch(
    engine: Engine, ctx: Context, entries: Sequence[Entry], aside: Aside
) -> dict[str, Any]:
    """Run the entries side by side and return the batch-response Bundle, in their order."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(entry: Entry) -> dict[str, Any]:
        async with slots:
            return await _run(engine, ctx, entry, aside)

    answers = await asyncio.gather(*(one(entry) for entry in entries))
    return {"resourceType": "Bundle", "type": "batch-response"} | (
        {"entry": list(answers)} if answers else {}
    )


async def _run(engine: Engine, ctx: Context, entry: Entry, aside: Aside) -> dict[str, Any]:
    try:
        if entry.fault is not None:
            raise entry.fault
        if not entry.writes:
            return await fetch(engine, ctx, entry, aside)
        if entry.method == "DELETE" and not entry.id:
            done = await conditional_delete(
                engine, ctx, entry.type, entry.query, if_match=entry.if_match or None
            )
            return deleted(ctx, done)
        return written(ctx, await _write(engine, ctx, entry))
    except FhirError as error:
        return {"response": {"status": str(error.status), "outcome": outcome(error, lines=False)}}
    except Exception as error:  # noqa: BLE001  # the other entries have their own answers
        _log.error("batch.entry_failed", entry=entry.number, exc_info=error)
        return {"response": {"status": "500", "outcome": outcome(FhirError(INTERNAL))}}


async def _write(engine: Engine, ctx: Context, entry: Entry) -> Result:
    type, id, query, raw = entry.type, entry.id, entry.query, entry.raw
    match entry.method:
        case "POST":
            return await create(engine, ctx, type, raw, if_none_exist=entry.if_none_exist)
        case "PUT" if id:
            return await update(engine, ctx, type, id, raw, if_match=entry.if_match or None)
        case "PUT":
            return await conditional_update(
                engine, ctx, type, query, raw, if_match=entry.if_match or None
            )
        case "PATCH":
            return await _patch(engine, ctx, entry)
        case _:
            return await delete(engine, ctx, type, id, if_match=entry.if_match or None)


async def _patch(engine: Engine, ctx: Context, entry: Entry) -> Result:
    body, kind = of_resource(entry.raw)
    expect = entry.if_match or None
    if entry.id:
        return await patch(engine, ctx, entry.type, entry.id, body, kind, if_match=expect)
    return await conditional_patch(
        engine, ctx, entry.type, entry.query, body, kind, if_match=expect
    )
