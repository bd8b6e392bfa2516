"""PV1, Patient Visit → Encounter.

HL7 v2.5.1 §3.4.3; segment map PV1[Encounter] of the v2-to-FHIR guide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hl7_listener.datatypes.code import coded, encounter_class
from hl7_listener.datatypes.identity import cx, identifier_type, pl, xcn
from hl7_listener.segmentmap import Make, Owns, Row, SegmentMap
from hl7_listener.segments.pid import everything, moment

if TYPE_CHECKING:
    from hl7_listener.er7 import Repetition
    from hl7_listener.sender import Sender

PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"


def visit_number(value: Repetition, sender: Sender) -> dict[str, Any] | None:
    """Return the Identifier for PV1-19, of type VN whatever CX.5 says not."""
    found = cx(value, sender)
    return None if found is None else {"type": identifier_type("VN")} | found


def participant(code: str, display: str) -> Make:
    kind = [{"coding": [{"system": PARTICIPATION, "code": code, "display": display}]}]

    def made(value: Repetition, sender: Sender) -> dict[str, Any] | None:
        person = xcn(value, sender)
        return None if person is None else {"type": kind, "individual": person}

    return made


def takes_part_as(code: str) -> Owns:
    def owns(item: Any) -> bool:
        codings = [c for kind in item.get("type", ()) for c in kind.get("coding", ())]
        return any(coding.get("code") == code for coding in codings)

    return owns


def stay(status: str) -> Make:
    def made(value: Repetition, sender: Sender) -> dict[str, Any] | None:
        location = pl(value, sender)
        return None if location is None else {"location": location, "status": status}

    return made


def has_status(status: str) -> Owns:
    return lambda item: item.get("status") == status


PV1 = SegmentMap(
    "PV1",
    "Encounter",
    (
        Row("PV1-2", "class", encounter_class),
        Row("PV1-3", "location", stay("active"), many=True, owns=has_status("active")),
        Row("PV1-4", "type", coded("0007"), many=True, owns=everything),
        Row("PV1-5", "hospitalization.preAdmissionIdentifier", cx),
        Row("PV1-6", "location", stay("completed"), many=True, owns=has_status("completed")),
        Row(
            "PV1-7",
            "participant",
            participant("ATND", "attender"),
            many=True,
            owns=takes_part_as("ATND"),
        ),
        Row(
            "PV1-8",
            "participant",
            participant("REF", "referrer"),
            many=True,
            owns=takes_part_as("REF"),
        ),
        Row(
            "PV1-9",
            "participant",
            participant("CON", "consultant"),
            many=True,
            owns=takes_part_as("CON"),
        ),
        Row("PV1-10", "serviceType", coded("0069")),
        Row("PV1-13", "hospitalization.reAdmission", coded("0092")),
        Row("PV1-14", "hospitalization.admitSource", coded("0023")),
        Row(
            "PV1-16",
            "hospitalization.specialCourtesy",
            coded("0099"),
            many=True,
            owns=everything,
        ),
        Row(
            "PV1-17",
            "participant",
            participant("ADM", "admitter"),
            many=True,
            owns=takes_part_as("ADM"),
        ),
        Row("PV1-19", "identifier", visit_number, many=True),
        Row("PV1-36", "hospitalization.dischargeDisposition", coded("0112")),
        Row("PV1-44", "period.start", moment),
        Row("PV1-45", "period.end", moment),
        Row("PV1-50", "identifier", cx, many=True),
    ),
)
