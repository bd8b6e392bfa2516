"""The age of a patient today, asked of the date of birth.

https://hl7.org/fhir/R4/patient-profiles.html

An age changes by itself, so it is not indexed: the comparison becomes one of dates of birth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from fhir_server.search import dates
from fhir_server.search.tokens import token

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from fhir_server.search.numbers import Comparison

OLDEST: Final = 1000
"""Years: no age is compared beyond this."""

Filter = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Years:
    """Completed years, both ends included; `outside` of them if so."""

    first: int
    last: int
    outside: bool = False


def years(asked: Comparison) -> Years:
    """Return the whole ages that a comparison means."""
    value, low, high = (_bounded(n) for n in (asked.value, asked.low, asked.high))
    match asked.prefix:
        case "gt" | "sa":
            return Years(math.floor(value) + 1, OLDEST)
        case "ge":
            return Years(math.ceil(value), OLDEST)
        case "lt" | "eb":
            return Years(0, math.ceil(value) - 1)
        case "le":
            return Years(0, math.floor(value))
        case "ap":
            tenth = abs(value) / 10
            return Years(math.ceil(min(low, value - tenth)), math.floor(max(high, value + tenth)))
    return Years(math.ceil(low), math.ceil(high) - 1, outside=asked.prefix == "ne")


def _bounded(value: Decimal) -> Decimal:
    """A number of a thousand digits must not become a date."""
    return max(min(value, Decimal(OLDEST)), Decimal(-1))


def condition(asked: Comparison, now: int, zone: ZoneInfo | None) -> Filter:
    """Return the filter of the living who are as old as asked at `now` (milliseconds)."""
    found = years(asked)
    today = datetime.fromtimestamp(now / 1000, zone or UTC).date()
    youngest = _end(_before(today, max(found.first, 0)), zone)
    oldest = _end(_before(today, found.last + 1), zone)
    key = {"p": token("Patient.birthDate")}
    born: Filter = {"l": {"$gt": oldest}, "h": {"$lte": youngest}}
    if found.outside:
        born = {"$or": [{"l": {"$gt": youngest}}, {"h": {"$lte": oldest}}]}
    return {"k": token("Patient.deceased=false"), "q": {"$elemMatch": key | born}}


def _before(today: date, years: int) -> date:
    year = max(today.year - years, 1)
    try:
        return today.replace(year=year)
    except ValueError:  # the 29th of February
        return today.replace(year=year, day=28)


def _end(day: date, zone: ZoneInfo | None) -> int:
    return dates.bounds(day.isoformat(), zone)[1]
