"""OBX, Observation/Result → Observation.

HL7 v2.5.1 §7.4.2; segment map OBX[Observation] of the v2-to-FHIR guide. An OBX says all that there is
to say about its result, so that a correction leaves nothing of the old value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hl7_listener.datatypes.code import coded, concept, mapped, required
from hl7_listener.datatypes.identity import xcn
from hl7_listener.datatypes.value import observation_value, reference_range, unit
from hl7_listener.segmentmap import Row, Rule, SegmentMap
from hl7_listener.segments.pid import moment

if TYPE_CHECKING:
    from hl7_listener.er7 import Repetition, Segment
    from hl7_listener.sender import Sender

ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"


def normal_range(segment: Segment, sender: Sender) -> dict[str, Any]:
    """Return OBX-7 in the units of OBX-6."""
    units = segment.repetitions(6)
    unit_of = unit(units[0] if units else None, sender)
    ranges = [reference_range(value, unit_of) for value in segment.repetitions(7)]
    found = [one for one in ranges if one]
    return {"referenceRange": found} if found else {}


def not_there(segment: Segment, _: Sender) -> dict[str, Any]:
    """Return why there is no value, if OBX-11 says it: not asked (N), not obtained (X)."""
    code = {"N": "not-asked", "X": "not-performed"}.get(segment.text(11).upper())
    if code is None or segment.valued(5):
        return {}
    return {"dataAbsentReason": {"coding": [{"system": ABSENT, "code": code}]}}


def organization(value: Repetition, _: Sender) -> dict[str, Any] | None:
    """Return a logical Reference to who produced the result."""
    display = value.part(2) or value.part(1)
    return {"type": "Organization", "display": display} if display else None


def named_organization(value: Repetition, _: Sender) -> dict[str, Any] | None:
    """Return a logical Reference for an XON."""
    return {"type": "Organization", "display": value.part(1)} if value.part(1) else None


OBX = SegmentMap(
    "OBX",
    "Observation",
    (
        Row("OBX-11", "status", required("observation-status")),
        Row("OBX-3", "code", concept, required=True),
        Row("OBX-14", "effectiveDateTime", moment),
        Row("OBX-8", "interpretation", mapped("interpretation"), many=True),
        Row("OBX-15", "performer", organization, many=True),
        Row("OBX-16", "performer", xcn, many=True),
        Row("OBX-23", "performer", named_organization, many=True),
        Row("OBX-17", "method", coded("0936")),
    ),
    rules=(
        Rule(("OBX-5", "OBX-2", "OBX-6"), ("value[x]",), observation_value),
        Rule(("OBX-7", "OBX-6"), ("referenceRange",), normal_range),
        Rule(("OBX-11",), ("dataAbsentReason",), not_there),
    ),
    snapshot=True,
)
