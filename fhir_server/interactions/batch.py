"""FHIR batch: each entry on its own, as if it had been sent alone.

https://hl7.org/fhir/R4/http.html#transaction
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from fhir_server.interactions.create import create
from fhir_server.interactions.delete import delete
from fhir_server.interactions.fetch import fetch, written
from fhir_server.interactions.update import conditional_update, update
from kernel import log
from kernel.errors import INTERNAL, FhirError, outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_server.engine import Engine
    from fhir_server.interactions.entries import Entry
    from fhir_server.model import Context, Result

AT_ONCE: Final = 64

_log = log.get("batch")


async def batch(engine: Engine, ctx: Context, entries: Sequence[Entry]) -> dict[str, Any]:
    """Run the entries side by side and return the batch-response Bundle, in their order."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(entry: Entry) -> dict[str, Any]:
        async with slots:
            return await _run(engine, ctx, entry)

    answers = await asyncio.gather(*(one(entry) for entry in entries))
    return {"resourceType": "Bundle", "type": "batch-response"} | (
        {"entry": list(answers)} if answers else {}
    )


async def _run(engine: Engine, ctx: Context, entry: Entry) -> dict[str, Any]:
    try:
        if entry.method == "GET":
            return await fetch(engine, ctx, entry)
        return written(await _write(engine, ctx, entry))
    except FhirError as error:
        return {"response": {"status": str(error.status), "outcome": outcome(error)}}
    except Exception as error:  # noqa: BLE001  # the other entries have their own answers
        _log.error("batch.entry_failed", entry=entry.number, exc_info=error)
        return {"response": {"status": "500", "outcome": outcome(FhirError(INTERNAL))}}


async def _write(engine: Engine, ctx: Context, entry: Entry) -> Result:
    match entry.method:
        case "POST":
            criteria = entry.if_none_exist
            return await create(engine, ctx, entry.type, entry.raw, if_none_exist=criteria)
        case "PUT" if entry.query:
            return await conditional_update(engine, ctx, entry.type, entry.query, entry.raw)
        case "PUT":
            return await update(
                engine, ctx, entry.type, entry.id, entry.raw, if_match=entry.if_match
            )
        case _:
            return await delete(engine, ctx, entry.type, entry.id, if_match=entry.if_match)
