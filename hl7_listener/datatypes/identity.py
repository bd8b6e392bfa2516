"""HD, CX, EI, XCN, XON, PL: who assigned which number.

HL7 v2.5.1 §2A.33 (HD), §2A.14 (CX), §2A.28 (EI), §2A.88 (XCN), §2A.53 (PL).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from hl7_listener.conceptmap import table
from hl7_listener.datatypes.time import date_time
from hl7_listener.sender import local

if TYPE_CHECKING:
    from hl7_listener.er7 import Repetition
    from hl7_listener.sender import Sender

Json = dict[str, Any]

_OID: Final = re.compile(r"[0-2](?:\.(?:0|[1-9]\d{0,38})){1,63}", re.ASCII)
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_URI: Final = re.compile(r"(?:https?://|urn:)[^\s<>\"{}|\\^`]{1,2000}")
TYPES: Final = "http://terminology.hl7.org/CodeSystem/v2-0203"


def authority(namespace: str, universal: str = "") -> str | None:
    """Return the URI of an HD: its universal id if that is one, else a local URI; None if empty."""
    if _OID.fullmatch(universal):
        return f"urn:oid:{universal}"
    if _UUID.fullmatch(universal):
        return f"urn:uuid:{universal.lower()}"
    if _URI.fullmatch(universal):
        return universal
    known = table("authority").code(namespace.upper())
    if known or not (namespace or universal):
        return known
    return local(namespace or universal)


def identifier_type(code: str) -> Json | None:
    """Return the type for a code of table 0203; a code that is not in it stays text."""
    if not code:
        return None
    coding = table("identifier-type").coding(code)
    return {"coding": [coding]} if coding else {"text": code}


def cx(value: Repetition, sender: Sender) -> Json | None:
    """Return an Identifier; without an authority, the sender's own."""
    number = value.part(1)
    if not number:
        return None
    system = authority(value.part(4), value.part(4, 2)) or sender.system
    period = {
        name: moment
        for name, moment in (
            ("start", date_time(value.part(7), sender.zone)),
            ("end", date_time(value.part(8), sender.zone)),
        )
        if moment
    }
    return _filled(
        type=identifier_type(value.part(5)), system=system, value=number, period=period or None
    )


def social_security(value: Repetition, _: Sender) -> Json | None:
    """Return the Identifier for PID-19."""
    number = value.part(1)
    system = "http://hl7.org/fhir/sid/us-ssn"
    return _filled(type=identifier_type("SS"), system=system, value=number) if number else None


def order_number(kind: str) -> Any:
    """Return the mapping of an EI to the Identifier of an order: `PLAC` or `FILL`."""

    def ei(value: Repetition, sender: Sender) -> Json | None:
        number = value.part(1)
        if not number:
            return None
        system = authority(value.part(2), value.part(3)) or sender.system_for(kind)
        return _filled(type=identifier_type(kind), system=system, value=number)

    return ei


def xcn(value: Repetition, sender: Sender) -> Json | None:
    """Return a logical Reference to a Practitioner: by identifier and display."""
    number, family, given, middle, suffix, prefix = (value.part(n) for n in range(1, 7))
    display = " ".join(filter(None, (prefix, given, middle, family, suffix)))
    system = authority(value.part(9), value.part(9, 2)) or sender.system_for("practitioner")
    identifier = _filled(system=system, value=number) if number else None
    if not (identifier or display):
        return None
    return _filled(type="Practitioner", identifier=identifier, display=display)


def ndl(value: Repetition, sender: Sender) -> Json | None:
    """Return the person of an NDL (OBR-32 to 35), whose name is in sub-components."""
    return xcn(value.sub(1), sender)


def pl(value: Repetition, sender: Sender) -> Json | None:
    """Return a logical Reference to a Location: point of care, room, bed, facility."""
    parts = [value.part(number) for number in (1, 2, 3)]
    display = " ".join(filter(None, parts)) or value.part(9) or value.part(4)
    if not display:
        return None
    number = "^".join(parts).rstrip("^")
    system = sender.system_for("location")
    identifier = _filled(system=system, value=number) if number else None
    return _filled(type="Location", identifier=identifier, display=display)


def _filled(**members: Any) -> Json:
    return {name: value for name, value in members.items() if value}
