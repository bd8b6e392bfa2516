"""Which messages are taken at all: what MSH must say before anything is mapped.

HL7 v2.5.1 §2.9.2.2: type, version and processing id are refused with AR, missing content with AE.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from hl7_listener.faults import CONDITIONS, Fault, Refused
from hl7_listener.messagetype import supported

if TYPE_CHECKING:
    from hl7_listener.er7 import Message, Segment
    from hl7_listener.messagetype import MessageType
    from kernel.settings import Hl7

_VERSION: Final = re.compile(r"2\.[1-9](\.[1-9])?")
_CODE: Final = re.compile(r"[A-Z][A-Z0-9]{2}")


def event_of(message: Message) -> tuple[str, str]:
    """Return message type and trigger event; old senders put the event in EVN-1 only."""
    kind, event = message.header.text(9).upper(), message.header.text(9, 2).upper()
    if not event:
        evn = message.first("EVN")
        event = evn.text(1).upper() if evn else ""
    return kind, event


def shown(kind: str, event: str) -> str:
    """Return `ADT^A01`; what does not look like codes is not shown."""
    parts = [part if _CODE.fullmatch(part) else "?" for part in (kind, event) if part]
    return "^".join(parts) or "?"


def dispatch(message: Message, settings: Hl7) -> MessageType:
    """Return how the message is mapped.

    Raises:
        Refused: it is of a kind that is not taken, or a segment or field it must have is missing.
    """
    header = message.header
    _check_version(header)
    _check_processing_id(header, settings)
    kind, event = event_of(message)
    known = supported().get(kind)
    if known is None:
        text = f"Unsupported message type: {shown(kind, event)}. Send {_offered()}."
        raise Refused("AR", Fault("200", text, "MSH", 1, 9))
    if event not in known.events:
        text = f"Unsupported event code: {shown(kind, event)}. Send {_offered()}."
        raise Refused("AR", Fault("201", text, "MSH", 1, 9))
    if not header.text(10):
        raise Refused("AE", Fault("101", f"{CONDITIONS['101']}: MSH-10.", "MSH", 1, 10))
    missing = [name for name in known.requires if message.first(name) is None]
    if missing:
        raise Refused("AE", *(Fault("101", f"Segment missing: {n}.", n) for n in missing))
    return known


def _check_version(header: Segment) -> None:
    version = header.text(12)
    if version and not _VERSION.fullmatch(version):
        text = "Unsupported version id: MSH-12 must be 2.1 to 2.9."
        raise Refused("AR", Fault("203", text, "MSH", 1, 12), reason=f"{text} It is `{version}`.")


def _check_processing_id(header: Segment, settings: Hl7) -> None:
    accepted = [code.strip().upper() for code in settings.processing_id.split(",")]
    given = header.text(11).upper()
    if given and given not in accepted:
        text = f"Unsupported processing id: MSH-11 must be {' or '.join(accepted)}."
        raise Refused("AR", Fault("202", text, "MSH", 1, 11), reason=f"{text} It is `{given}`.")


def _offered() -> str:
    return ", ".join(f"{name}^{event}" for name, t in supported().items() for event in t.events)
