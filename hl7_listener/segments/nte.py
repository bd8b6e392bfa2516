"""NTE, Notes and Comments → Annotation.

HL7 v2.5.1 §2.15.10; segment map NTE[Observation] of the v2-to-FHIR guide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hl7_listener.segmentmap import Row, SegmentMap

if TYPE_CHECKING:
    from hl7_listener.er7 import Repetition
    from hl7_listener.sender import Sender


def comment(value: Repetition, _: Sender) -> dict[str, str] | None:
    return {"text": value.text} if value.text else None


NTE = SegmentMap("NTE", "Observation", (Row("NTE-3", "note", comment, many=True),), snapshot=True)
