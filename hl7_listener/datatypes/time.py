"""DTM, TS, DT, TM: partial stays partial, an offset is kept as it was sent.

HL7 v2.5.1 §2A.22 (DTM), §2A.21 (DT), §2A.75 (TM); https://hl7.org/fhir/R4/datatypes.html#dateTime
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Final

from kernel.errors import BadStructure

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_MOMENT: Final = re.compile(
    r"(\d{4})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(\.\d{1,6})?)?)?)?)?)?"
    r"([+-]\d{4})?",
    re.ASCII,
)
_TIME: Final = re.compile(r"(\d{2})(\d{2})?(\d{2})?(\.\d{1,6})?(?:[+-]\d{4})?", re.ASCII)


def date(text: str) -> str | None:
    """Return a FHIR date as precise as it was sent; a time of day is left out."""
    moment = date_time(text, None)
    return moment[:10] if moment else None


def date_time(text: str, zone: ZoneInfo | None) -> str | None:
    """Return a FHIR dateTime, or None for no text or only zeros; `zone` gives a missing offset.

    FHIR knows no hours without minutes and seconds: those are filled with zeros. A local time that
    a clock change skips is shifted by it, one that comes twice is the first.

    Raises:
        BadStructure: it is no date.
    """
    if not text.strip("0"):  # zeros are how some senders write that they do not know
        return None
    found = _MOMENT.fullmatch(text)
    if found is None:
        raise BadStructure(f"`{text[:40]}` is not a date and time such as `20240301101500+0000`.")
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    try:
        moment = datetime(  # noqa: DTZ001  the zone is applied below, once it is known to be needed
            int(year),
            int(month or 1),
            int(day or 1),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
        )
        shown = _offset(offset, moment, zone)
    except (ValueError, OverflowError):
        raise BadStructure(f"`{text[:40]}` is not a date in the calendar.") from None
    if hour is None:
        return "-".join(part for part in (year, month, day) if part)
    return f"{year}-{month}-{day}T{hour}:{minute or '00'}:{second or '00'}{fraction or ''}{shown}"


def instant(text: str, zone: ZoneInfo) -> str | None:
    """Return a FHIR instant, or None if the time of day is not known."""
    moment = date_time(text, zone)
    return moment if moment and "T" in moment else None


def time(text: str) -> str | None:
    """Return a FHIR time; seconds that are not there are zero.

    Raises:
        BadStructure: it is no time of day.
    """
    if not text:
        return None
    found = _TIME.fullmatch(text)
    hour, minute, second, fraction = found.groups() if found else ("99", None, None, None)
    if int(hour) > 23 or int(minute or 0) > 59 or int(second or 0) > 59:
        raise BadStructure(f"`{text[:40]}` is not a time such as `1015`.")
    return f"{hour}:{minute or '00'}:{second or '00'}{fraction or ''}"


def _offset(offset: str | None, moment: datetime, zone: ZoneInfo | None) -> str:
    """Return `+hh:mm`.

    Raises:
        ValueError: an offset that is on no clock.
    """
    if offset is None:
        if zone is None:
            return "Z"
        offset = f"{moment.replace(tzinfo=zone):%z}"[:5]
    if int(offset[1:3]) > 14 or int(offset[3:]) > 59 or int(offset[1:]) > 1400:
        raise ValueError(offset)
    return f"{offset[:3]}:{offset[3:]}"
