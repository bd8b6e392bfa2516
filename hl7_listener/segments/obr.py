"""OBR, Observation Request → DiagnosticReport.

HL7 v2.5.1 §7.4.1; segment map OBR[DiagnosticReport] of the v2-to-FHIR guide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hl7_listener.datatypes.code import coded, concept, required
from hl7_listener.datatypes.identity import ndl, order_number
from hl7_listener.datatypes.time import date_time, instant
from hl7_listener.segmentmap import Row, Rule, SegmentMap
from hl7_listener.segments.pid import moment

if TYPE_CHECKING:
    from hl7_listener.er7 import Repetition, Segment
    from hl7_listener.sender import Sender


def issued(value: Repetition, sender: Sender) -> str | None:
    return instant(value.part(1), sender.zone)


def observed(segment: Segment, sender: Sender) -> dict[str, Any]:
    """Return OBR-7 and OBR-8 as a period."""
    start = date_time(segment.text(7), sender.zone)
    end = date_time(segment.text(8), sender.zone)
    if end is None:
        return {}
    return {"effectivePeriod": ({"start": start} if start else {}) | {"end": end}}


OBR = SegmentMap(
    "OBR",
    "DiagnosticReport",
    (
        Row("OBR-2", "identifier", order_number("PLAC"), many=True),
        Row("OBR-3", "identifier", order_number("FILL"), many=True),
        Row("OBR-25", "status", required("report-status")),
        Row("OBR-24", "category", coded("0074"), many=True),
        Row("OBR-4", "code", concept, required=True),
        Row("OBR-7", "effectiveDateTime", moment, unless="OBR-8"),
        Row("OBR-22", "issued", issued),
        Row("OBR-32", "resultsInterpreter", ndl, many=True),
    ),
    rules=(Rule(("OBR-8", "OBR-7"), ("effective[x]",), observed),),
    snapshot=True,
)
