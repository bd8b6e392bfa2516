"""What is measured, and the figures that MedFlow has to reach.

On two cores, with MongoDB and the load generator on the same machine.
"""

from __future__ import annotations

from typing import Final

OPERATIONS: Final = (
    "create Observation",
    "read Patient",
    "token, page of 20",
    "patient, code and date",
    "page of 50 with _include",
)
"""What every contender that can is asked for."""

MORE_PAGES: Final = (
    "newest of a patient",
    "day, all patients",
    "string",
    "chain",
    "_has",
    "_revinclude",
    "_summary=true",
)
"""Searches that are timed in a large store, beside those above."""

TARGETS: Final = {
    "import": 4000,
    "create Observation": 1500,
    "read Patient": 5000,
    "token, page of 20": 1200,
    "patient, code and date": 1500,
    "page of 50 with _include": 400,
}
"""Per second."""

SLOWEST_PAGE_MS: Final = 20
"""The p50 of every search page with one client at `LARGE` resources."""

LARGE: Final = 300_000
MOST_RESIDENT_MIB: Final = 200
"""The web worker after the whole import."""
