"""Conversions of single values: DICOM value representations → FHIR data types.

DICOM PS3.5 §6.2; https://hl7.org/fhir/R4/datatypes.html. Each returns None for what it cannot
convert: a value that would be wrong is left out, the image itself is kept.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING, Any, Final

from dicom_node.mapping.attribute import value

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

DCM: Final = "http://dicom.nema.org/resources/ontology/DCM"
SNOMED: Final = "http://snomed.info/sct"
SCHEMES: Final = {
    "DCM": DCM,
    "SCT": SNOMED,
    "LN": "http://loinc.org",
    "RADLEX": "http://www.radlex.org",
    "UCUM": "http://unitsofmeasure.org",
}
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_TIME: Final = re.compile(r"(\d\d)(?:(\d\d)(?:(\d\d)(?:\.(\d{1,6}))?)?)?")
_OFFSET: Final = re.compile(r"([+-])(\d\d)(\d\d)")


def text(raw: Any) -> str | None:
    """Return one readable string; several values are joined with a blank."""
    joined = raw if isinstance(raw, str) else _joined(raw)
    clean = _CONTROL.sub("", joined.encode("utf-8", "replace").decode()).strip()
    return clean or None


def _joined(raw: Any) -> str:
    if isinstance(raw, list | tuple) or type(raw).__name__ == "MultiValue":
        return " ".join(str(part) for part in raw)
    return str(raw)


def code(raw: Any) -> str | None:
    """Return a FHIR code: no blanks at the ends, single ones inside."""
    found = text(raw)
    return " ".join(found.split()) if found else None


def unsigned(raw: Any) -> int | None:
    """Return an unsignedInt; None for anything negative or not a number."""
    try:
        number = int(str(raw).strip())
    except ValueError:
        return None
    return number if 0 <= number < 1 << 31 else None


def day(raw: Any) -> str | None:
    """Return a FHIR date of `YYYYMMDD`, `YYYYMM` or `YYYY`; `YYYY.MM.DD` of ACR-NEMA too."""
    digits = re.sub(r"[.\-]", "", str(raw).strip())
    if not digits.isascii() or not digits.isdigit() or len(digits) not in {4, 6, 8}:
        return None
    try:
        date(int(digits[:4]), int(digits[4:6] or 1), int(digits[6:] or 1))
    except ValueError:
        return None
    return "-".join(part for part in (digits[:4], digits[4:6], digits[6:]) if part)


def moment(dataset: Dataset, date_keyword: str, time_keyword: str, zone: tzinfo) -> str | None:
    """Return a FHIR dateTime of a date and a time.

    The zone is that of the data set (0008,0201), else `zone`. A date without a time, or with one
    that is not valid, stays a date.
    """
    found = day(value(dataset, date_keyword) or "")
    if found is None or len(found) < 10:
        return found
    time = _TIME.fullmatch(re.sub(r"[:\s]", "", str(value(dataset, time_keyword) or "")))
    if time is None:
        return found
    hour, minute, second = (int(part or 0) for part in time.groups()[:3])
    micro = int((time[4] or "").ljust(6, "0"))
    try:
        when = datetime.fromisoformat(found).replace(
            hour=hour,
            minute=minute,
            second=min(second, 59),  # 60 is a leap second
            microsecond=micro,
            tzinfo=_offset(value(dataset, "TimezoneOffsetFromUTC")) or zone,
        )
    except ValueError:
        return found
    return when.isoformat(timespec="milliseconds" if micro else "seconds")


def _offset(raw: Any) -> tzinfo | None:
    found = _OFFSET.fullmatch(str(raw or "").strip())
    if found is None:
        return None
    delta = timedelta(hours=int(found[2]), minutes=int(found[3]))
    if delta > timedelta(hours=14):
        return None
    return timezone(-delta if found[1] == "-" else delta)


def instant_of(moment: str) -> datetime:
    """Return a dateTime as a point in time, a date as its first moment in UTC; for comparison."""
    padded = {4: f"{moment}-01-01", 7: f"{moment}-01"}.get(len(moment), moment)
    found = datetime.fromisoformat(padded)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def coding(item: Dataset) -> dict[str, str] | None:
    """Return the Coding of a code sequence item; DICOM PS3.3 §8."""
    found = code(value(item, "CodeValue") or value(item, "LongCodeValue") or "")
    scheme = code(value(item, "CodingSchemeDesignator") or "")
    if found is None:
        return None
    made = {"code": found}
    if scheme:
        made["system"] = SCHEMES.get(scheme, f"urn:dicom:coding-scheme:{escaped(scheme)}")
    meaning = text(value(item, "CodeMeaning") or "")
    return made | {"display": meaning} if meaning else made


def escaped(name: str) -> str:
    """Return a name as part of a URN: what RFC 3986 does not leave alone is percent-encoded."""
    return re.sub(
        r"[^A-Za-z0-9._~\-]", lambda m: "".join(f"%{byte:02X}" for byte in m[0].encode()), name
    )
