"""PID, Patient Identification → Patient.

HL7 v2.5.1 §3.4.2; segment map PID[Patient] of the v2-to-FHIR guide.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from hl7_listener.datatypes.code import coded, mapped, required, yes_no
from hl7_listener.datatypes.identity import cx, identifier_type, social_security
from hl7_listener.datatypes.person import family_name, place, xad, xpn, xtn
from hl7_listener.datatypes.time import date, date_time
from hl7_listener.segmentmap import Make, Owns, Row, SegmentMap
from kernel.errors import BadStructure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hl7_listener.er7 import Repetition
    from hl7_listener.sender import Sender

EXTENSION = "http://hl7.org/fhir/StructureDefinition/"
LANGUAGE = "urn:ietf:bcp:47"
_TAG = re.compile(r"([A-Za-z]{2,3})(?:[-_]([A-Za-z]{2}))?")


def birth_date(value: Repetition, _: Sender) -> str | None:
    return date(value.part(1))


def birth_time(value: Repetition, sender: Sender) -> dict[str, Any] | None:
    """Return the extension that holds the time of birth, if one was sent."""
    moment = date_time(value.part(1), sender.zone)
    if not moment or "T" not in moment:
        return None
    return {"extension": [{"url": f"{EXTENSION}patient-birthTime", "valueDateTime": moment}]}


def moment(value: Repetition, sender: Sender) -> str | None:
    return date_time(value.part(1), sender.zone)


def order_of_birth(value: Repetition, _: Sender) -> int | None:
    """Return PID-25.

    Raises:
        BadStructure: it is no number.
    """
    text = value.part(1)
    if text and not (text.isascii() and text.isdigit() and len(text) < 4):
        raise BadStructure(f"`{text[:20]}` is not an order of birth such as `2`.")
    return int(text) if text else None


def licence(value: Repetition, sender: Sender) -> dict[str, Any] | None:
    """Return the Identifier for PID-20 (DLN)."""
    number = value.part(1)
    system = sender.system_for(f"DL-{value.part(2)}" if value.part(2) else "DL")
    kind = identifier_type("DL")
    return {"type": kind, "system": system, "value": number} if number else None


def language(value: Repetition, sender: Sender) -> dict[str, Any] | None:
    """Return PID-15; a code that is a language tag, as R4 wants one, is given as that first."""
    found = coded("0296")(value, sender)
    if not found:
        return None
    tag = _TAG.fullmatch(value.part(1))
    if tag:
        code = tag[1].lower() + (f"-{tag[2].upper()}" if tag[2] else "")
        found = found | {"coding": [{"system": LANGUAGE, "code": code}, *found.get("coding", [])]}
    return {"language": found}


def extension(url: str, element: str, make: Make) -> Make:
    def made(value: Repetition, sender: Sender) -> dict[str, Any] | None:
        found = make(value, sender)
        return None if found is None else {"url": EXTENSION + url, element: found}

    return made


def has_url(url: str) -> Owns:
    return lambda item: item.get("url") == EXTENSION + url


def everything(_: Mapping[str, Any]) -> bool:
    return True


def at_work(item: Mapping[str, Any]) -> bool:
    return item.get("use") == "work"


def not_at_work(item: Mapping[str, Any]) -> bool:
    return not at_work(item)


PID = SegmentMap(
    "PID",
    "Patient",
    (
        Row("PID-3", "identifier", cx, many=True),
        Row("PID-2", "identifier", cx, many=True),
        Row("PID-4", "identifier", cx, many=True),
        Row("PID-19", "identifier", social_security, many=True),
        Row("PID-20", "identifier", licence, many=True),
        Row("PID-5", "name", xpn, many=True, owns=everything),
        Row("PID-9", "name", xpn, many=True),
        Row(
            "PID-6",
            "extension",
            extension("patient-mothersMaidenName", "valueString", family_name),
            many=True,
            owns=has_url("patient-mothersMaidenName"),
        ),
        Row("PID-7", "birthDate", birth_date),
        Row("PID-7", "_birthDate", birth_time),
        Row("PID-8", "gender", required("gender")),
        Row("PID-11", "address", xad, many=True, owns=everything),
        Row("PID-13", "telecom", xtn("home"), many=True, owns=not_at_work),
        Row("PID-14", "telecom", xtn("work"), many=True, owns=at_work),
        Row("PID-15", "communication", language, many=True, owns=everything),
        Row("PID-16", "maritalStatus", mapped("marital-status")),
        Row(
            "PID-17",
            "extension",
            extension("patient-religion", "valueCodeableConcept", coded("0006")),
            many=True,
            owns=has_url("patient-religion"),
        ),
        Row(
            "PID-23",
            "extension",
            extension("patient-birthPlace", "valueAddress", place),
            many=True,
            owns=has_url("patient-birthPlace"),
        ),
        Row("PID-24", "multipleBirthBoolean", yes_no, unless="PID-25"),
        Row("PID-25", "multipleBirthInteger", order_of_birth),
        Row("PID-29", "deceasedDateTime", moment),
        Row("PID-30", "deceasedBoolean", yes_no, unless="PID-29"),
    ),
)
