"""per-1: a period does not end before it starts.

https://hl7.org/fhir/R4/datatypes.html#Period
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Any

from fhir_server import fhirpath

_RULE = "start.hasValue().not() or end.hasValue().not() or (start <= end)"


def in_order(period: dict[str, Any]) -> bool:
    """Return whether the start is not after the end, as far as their precision tells."""
    start, end = period.get("start"), period.get("end")
    if start is None or end is None:
        return True
    if len(start) == len(end) and start[19:] == end[19:]:
        return bool(start <= end)
    if len(start) >= 20 and len(end) >= 20:
        with suppress(ValueError, OverflowError):  # a leap second, or the edge of the calendar
            return datetime.fromisoformat(start) <= datetime.fromisoformat(end)
    return fhirpath.compile(_RULE).holds(fhirpath.root(period, "Period"))
