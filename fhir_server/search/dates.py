"""Dates as ranges: a date covers all the time that its precision leaves open.

https://hl7.org/fhir/R4/search.html#date
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

MINIMUM: Final = -(10**15)
MAXIMUM: Final = 10**15
"""Bounds of an open period, milliseconds: before year 1 and after year 9999, exact as a double."""

_DAY: Final = 86_400_000
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def bounds(text: str, zone: ZoneInfo | None = None) -> tuple[int, int]:
    """Return the first and last millisecond (since the epoch, UTC) of a date, dateTime or instant.

    `zone` is of dates without an offset; None is UTC.

    Raises:
        ValueError: not a date.
    """
    if "T" in text:
        return _moment(text, zone)
    first, last = _days(text)
    if zone is None:
        return (
            (first.toordinal() - _EPOCH_DAY) * _DAY,
            (last.toordinal() - _EPOCH_DAY + 1) * _DAY - 1,
        )
    midnight = datetime(first.year, first.month, first.day, tzinfo=zone)
    end = datetime(last.year, last.month, last.day, 23, 59, 59, 999_000, tzinfo=zone)
    return _milliseconds(midnight), _milliseconds(end)


def _days(text: str) -> tuple[date, date]:
    """Return the first and the last day of `YYYY`, `YYYY-MM` or `YYYY-MM-DD`."""
    if len(text) == 10 and text[4] == "-":
        day = date.fromisoformat(text)
        return day, day
    if len(text) == 7 and text[4] == "-":
        first = date.fromisoformat(f"{text}-01")
        following = (first.replace(day=28) + timedelta(days=4)) if first.month < 12 else None
        last = following - timedelta(days=following.day) if following else first.replace(day=31)
        return first, last
    if len(text) == 4:
        first = date.fromisoformat(f"{text}-01-01")
        return first, first.replace(month=12, day=31)
    raise ValueError(f"`{text}` is not a date.")


def _moment(text: str, zone: ZoneInfo | None) -> tuple[int, int]:
    if text[10:11] != "T" or text[4:5] != "-":
        raise ValueError(f"`{text}` is not a date and time.")
    if text[16:19] == ":60":  # a leap second, which Python does not know
        text = f"{text[:16]}:59{text[19:]}"
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone or UTC)
    first = _milliseconds(moment)
    # The hour and minute without seconds are allowed in searches only.
    if text[16:17] != ":":
        return first, first + 59_999
    return first, first if text[19:20] in {".", ","} else first + 999


def _milliseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MILLISECOND
