"""What administrators do with kept messages: list, look, replay. HTTP and the CLI call these."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hl7_listener import er7
from hl7_listener.server import DEFAULTS, submit
from kernel import clock
from kernel.errors import NotFound

if TYPE_CHECKING:
    from fhir_server.model import Context, Message
    from fhir_server.service import FhirService
    from kernel.settings import Hl7

Json = dict[str, Any]


async def messages(
    service: FhirService, ctx: Context, *, state: str | None = None, limit: int = 100
) -> list[Json]:
    """Return summaries of kept messages, newest first; `state` is `applied` or `refused`."""
    found = await service.messages(ctx, protocol="hl7v2", state=state, limit=limit)
    return [summary(message) for message in found]


async def message(service: FhirService, ctx: Context, id: str) -> Message:
    """Return one kept message, with the bytes as they arrived.

    Raises:
        NotFound: there is none.
    """
    found = await service.message(ctx, id)
    if found is None or found.protocol != "hl7v2":
        raise NotFound(f"No HL7 message `{id[:64]}` is kept.")
    return found


async def replay(service: FhirService, ctx: Context, id: str, *, settings: Hl7 = DEFAULTS) -> Json:
    """Map the message again with the tables of today; return its summary afterwards.

    `answer` in it is MSA-1 of this time: what was applied once stays so, also if this time fails.

    Raises:
        NotFound: there is none.
    """
    kept = await message(service, ctx, id)
    answer = await submit(service, kept.raw, kept.peer, settings=settings, replay=True)
    code = er7.parse(answer.decode("utf-8", "replace")).value("MSA-1") if answer else ""
    return summary(await message(service, ctx, id)) | {"answer": code}


def summary(message: Message) -> Json:
    """Return what is shown in a list: no content of the message itself."""
    return {
        "id": message.id,
        "type": message.kind,
        "control": message.control,
        "sender": message.facts.get("sender", ""),
        "peer": message.peer,
        "state": message.state,
        "received": clock.instant(message.received),
        "bytes": len(message.raw),
        "reason": message.reason,
        "findings": message.facts.get("findings", ""),
        "produced": list(message.produced),
    }
