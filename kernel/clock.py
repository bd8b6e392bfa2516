"""The time, injected so that tests can fix it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], int]
"""Returns milliseconds since 1970-01-01T00:00:00Z."""


def now() -> int:
    """Return the current time, milliseconds since the epoch, UTC."""
    return time.time_ns() // 1_000_000


def instant(milliseconds: int) -> str:
    """Return a FHIR instant in UTC with milliseconds: `2026-01-02T03:04:05.678Z`.

    https://hl7.org/fhir/R4/datatypes.html#instant
    """
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"
