"""Dates, times and moments of any precision: reading, comparing, adding.

https://hl7.org/fhirpath/N1/#date
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final, Literal

Precision = Literal["Date", "DateTime", "Time"]
Parts = tuple[int | Decimal, ...]

_CLOCK: Final = r"(\d\d)(?::(\d\d)(?::(\d\d(?:\.\d{1,9})?))?)?"
_DATE: Final = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?", re.ASCII)
_MOMENT: Final = re.compile(
    rf"(\d{{4}})(?:-(\d\d)(?:-(\d\d)(?:T(?:{_CLOCK}(Z|[+-]\d\d:\d\d)?)?)?)?)?T?", re.ASCII
)
_TIME: Final = re.compile(_CLOCK, re.ASCII)

_MINUTES_BEFORE: Final = 14 * 60  # +14:00, the zone where a day begins first
_MINUTES_AFTER: Final = 12 * 60  # -12:00, the zone where it ends last

UNITS: Final = {
    "week": Decimal(604800),
    "day": Decimal(86400),
    "hour": Decimal(3600),
    "minute": Decimal(60),
    "second": Decimal(1),
    "millisecond": Decimal("0.001"),
}
"""Seconds of the calendar units that have a fixed length."""

_PRECISIONS: Final = (Decimal(365 * 86400), Decimal(30 * 86400), *map(Decimal, (86400, 3600, 60)))
"""Seconds of year, month, day, hour and minute, for what is added to a value less precise."""


@dataclass(frozen=True, slots=True)
class Temporal:
    """A Date, DateTime or Time as precise as it was written.

    `parts` are year, month, day, hour, minute and second, or hour, minute and second of a Time; the
    second is a Decimal with its fraction. `zone` is `Z`, an offset or "".
    """

    type: Precision
    parts: Parts
    zone: str = ""

    def __str__(self) -> str:
        texts = [_digits(part, 2) for part in self.parts]
        if self.type == "Time":
            return ":".join(texts)
        texts[0] = texts[0].zfill(4)
        day, clock = "-".join(texts[:3]), ":".join(texts[3:])
        return f"{day}T{clock}{self.zone}" if clock else day

    @property
    def literal(self) -> str:
        """The value as an expression would write it."""
        if self.type == "Time":
            return f"@T{self}"
        return f"@{self}T" if self.type == "DateTime" and len(self.parts) <= 3 else f"@{self}"

    @property
    def offset(self) -> int | None:
        """Minutes east of UTC, None without a zone."""
        if self.zone in {"", "Z"}:
            return 0 if self.zone else None
        minutes = int(self.zone[1:3]) * 60 + int(self.zone[4:])
        return -minutes if self.zone[0] == "-" else minutes


def _digits(part: int | Decimal, width: int) -> str:
    text = str(part)
    whole, point, fraction = text.partition(".")
    return whole.zfill(width) + point + fraction


def parse(text: str, type: Precision) -> Temporal | None:
    """Return the value, or None if the text is none of this type or not in the calendar."""
    pattern = {"Date": _DATE, "DateTime": _MOMENT, "Time": _TIME}[type]
    found = pattern.fullmatch(text) if len(text) <= 40 else None
    if found is None:
        return None
    groups = found.groups()
    zone = groups[6] or "" if type == "DateTime" else ""
    texts = [group for group in groups[: 3 if type != "DateTime" else 6] if group is not None]
    last = 2 if type == "Time" else 5
    parts: Parts = tuple(
        Decimal(text) if at == last else int(text) for at, text in enumerate(texts)
    )
    value = Temporal(type, parts, zone)
    return value if _in_calendar(value) else None


def _in_calendar(value: Temporal) -> bool:
    parts = value.parts
    clock = parts
    if value.type != "Time":
        year, month, day = (*(int(part) for part in parts[:3]), 1, 1)[:3]
        if not (year and 1 <= month <= 12 and 1 <= day <= monthrange(year, month)[1]):
            return False
        clock = parts[3:]
    in_clock = all(part < most for part, most in zip(clock, (24, 60, 61), strict=False))
    return in_clock and abs(value.offset or 0) <= _MINUTES_BEFORE


def compare(one: Temporal, other: Temporal) -> int | None:
    """Return -1, 0 or 1; None if they differ in precision, or one has no zone, so that it is open.

    A day is the day that was written, wherever it was; a time of day without a zone may be of any
    zone on earth.
    """
    if one.type == "Time" or min(len(one.parts), len(other.parts)) <= 3:
        return _compare_parts(one.parts, other.parts)
    if one.offset is None and other.offset is None:
        return _compare_parts(one.parts, other.parts)
    if one.offset is not None and other.offset is not None:
        if one.offset == other.offset:
            return _compare_parts(one.parts, other.parts)
        if len(one.parts) >= 5 and len(other.parts) >= 5:
            left, right = minutes(one), minutes(other)
            return _compare_parts((left, *one.parts[5:]), (right, *other.parts[5:]))
    (first, last), (start, end) = _span(one), _span(other)
    if last < start:
        return -1
    return 1 if first > end else None


def _compare_parts(one: Parts, other: Parts) -> int | None:
    for left, right in zip(one, other, strict=False):
        if left != right:
            return -1 if left < right else 1
    return 0 if len(one) == len(other) else None


def minutes(value: Temporal) -> int:
    """Return minutes since the year 1, of UTC where there is a zone."""
    year, month, day, hour, minute = (int(part) for part in value.parts[:5])
    return date(year, month, day).toordinal() * 1440 + hour * 60 + minute - (value.offset or 0)


def _span(value: Temporal) -> tuple[int, int]:
    """Return the first and the last minute that the value may be."""
    low = Temporal("DateTime", (*value.parts, 0)[:5])
    high = Temporal("DateTime", (*value.parts, 59)[:5])
    if value.offset is not None:
        return minutes(low) - value.offset, minutes(high) - value.offset
    return minutes(low) - _MINUTES_BEFORE, minutes(high) + _MINUTES_AFTER


def last_parts(parts: Parts) -> Parts:
    """Return the last moment of a partial date, to the millisecond."""
    year = int(parts[0])
    month = int(parts[1]) if len(parts) > 1 else 12
    day = int(parts[2]) if len(parts) > 2 else monthrange(year, month)[1]
    return (year, month, day, *(*parts[3:], *(23, 59, Decimal("59.999"))[len(parts[3:]) :]))


def add(value: Temporal, amount: Decimal, unit: str) -> Temporal | None:
    """Return the value moved by a calendar unit, as precise as before; None outside 0001 to 9999.

    Fractions count for seconds and milliseconds only, as the specification says.
    """
    if unit not in {"second", "millisecond"}:
        amount = Decimal(int(amount))
    if value.type == "Time":
        return _add_to_time(value, amount * UNITS[unit]) if unit in UNITS else None
    if unit in {"year", "month"}:
        return _add_months(value, int(amount) * (12 if unit == "year" else 1))
    seconds = amount * UNITS[unit]
    precision = len(value.parts)
    if precision < 6:
        step = _PRECISIONS[precision - 1]
        whole = int(seconds / step)
        if precision < 3:
            return _add_months(value, whole * (12 if precision == 1 else 1))
        seconds = whole * step
    return _add_seconds(value, seconds)


def _add_months(value: Temporal, months: int) -> Temporal | None:
    month = int(value.parts[1]) if len(value.parts) > 1 else 1
    if len(value.parts) == 1:
        months = int(months / 12) * 12
    count = int(value.parts[0]) * 12 + month - 1 + months
    year, month = count // 12, count % 12 + 1
    if not 1 <= year <= 9999:
        return None
    parts: Parts = (year, month, *value.parts[2:])
    if len(value.parts) > 2:
        day = min(int(value.parts[2]), monthrange(year, month)[1])
        parts = (year, month, day, *value.parts[3:])
    return Temporal(value.type, parts[: len(value.parts)], value.zone)


def _add_seconds(value: Temporal, seconds: Decimal) -> Temporal | None:
    year, month, day, hour, minute, second = _padded(value.parts, 6)
    today = date(int(year), int(month), int(day)).toordinal()
    total = (today * 86400 + int(hour) * 3600 + int(minute) * 60) + Decimal(second) + seconds
    days, rest = divmod(total, 86400)
    if not 1 <= days <= date.max.toordinal():
        return None
    then = date.fromordinal(int(days))
    parts = (then.year, then.month, then.day, *_clock(rest))
    return Temporal(value.type, parts[: len(value.parts)], value.zone)


def _add_to_time(value: Temporal, seconds: Decimal) -> Temporal:
    precision = len(value.parts)
    if precision < 3:
        step = _PRECISIONS[precision + 2]
        seconds = int(seconds / step) * step
    hour, minute, second = _padded(value.parts, 3)
    total = (int(hour) * 3600 + int(minute) * 60) + Decimal(second) + seconds
    rest = total % 86400
    return Temporal("Time", _clock(rest + 86400 if rest < 0 else rest)[:precision])


def _padded(parts: Parts, length: int) -> Parts:
    return (*parts, *(0,) * (length - len(parts)))


def _clock(seconds: Decimal) -> Parts:
    whole = int(seconds)
    return (whole // 3600, whole // 60 % 60, seconds - whole // 60 * 60)
