"""The primitive types: which JSON values are valid, and what to say of those that are not.

https://hl7.org/fhir/R4/datatypes.html#primitive
"""

from __future__ import annotations

import math
import re
from binascii import a2b_base64
from calendar import monthrange
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from fhir_server import tables
from fhir_server.fhirpath.xhtml import is_narrative

Check = Callable[[Any], bool]
"""Returns whether a JSON value is acceptable."""

LONGEST: Final = 1_048_576  # characters, https://hl7.org/fhir/R4/datatypes.html#string

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_SPACE_OR_CONTROL: Final = re.compile(r"[\s\x00-\x1f]")
_CODE: Final = re.compile(tables.get("code").regex)
_ZONE: Final = r"(?:Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9]|[+-]14:00)"
_CLOCK: Final = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
_DAY: Final = r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
_DATE: Final = re.compile(rf"{_DAY}|[0-9]{{4}}(?:-(?:0[1-9]|1[0-2]))?")
_DATE_TIME: Final = re.compile(rf"{_DAY}(?:T{_CLOCK}{_ZONE})?|[0-9]{{4}}(?:-(?:0[1-9]|1[0-2]))?")
_INSTANT: Final = re.compile(rf"{_DAY}T{_CLOCK}{_ZONE}")


def _is_boolean(value: Any) -> bool:
    return value is True or value is False


def _is_string(value: Any) -> bool:
    """R4's own pattern refuses a no-break space, which is text like any other."""
    return (
        type(value) is str
        and 0 < len(value) <= LONGEST
        and (value.isprintable() or _CONTROL.search(value) is None)
    )


def _is_uri(value: Any) -> bool:
    return (
        type(value) is str
        and value != ""
        and (value.isprintable() or _SPACE_OR_CONTROL.search(value) is None)
        and " " not in value
    )


def _is_code(value: Any) -> bool:
    if type(value) is not str or not value:
        return False
    if " " not in value and value.isprintable():
        return True
    return _CODE.fullmatch(value) is not None and _CONTROL.search(value) is None


def _is_decimal(value: Any) -> bool:
    kind = type(value)
    if kind is Decimal:
        finite: bool = value.is_finite()
        return finite
    return kind is int or (kind is float and math.isfinite(value))


def _integer(type_name: str, minimum: int) -> Check:
    limits = tables.get("integer")
    if limits.minimum is None or limits.maximum is None:
        raise ValueError("The compiled table of `integer` has no range: compile it again.")
    low, high = max(limits.minimum, minimum), limits.maximum

    def is_integer(value: Any) -> bool:
        return type(value) is int and low <= value <= high

    is_integer.__name__ = f"is_{type_name}"
    return is_integer


def _dated(pattern: re.Pattern[str]) -> Check:
    matches = pattern.fullmatch

    def is_dated(value: Any) -> bool:
        return (
            type(value) is str
            and matches(value) is not None
            and value[:4] != "0000"
            and (value[8:10] <= "28" or _exists(value))
        )

    return is_dated


def _exists(value: str) -> bool:
    return int(value[8:10]) <= monthrange(int(value[:4]), int(value[5:7]))[1]


def _is_base64(value: Any) -> bool:
    if type(value) is not str or not value:
        return False
    try:
        a2b_base64("".join(value.split()), strict_mode=True)
    except ValueError:
        return False
    return True


def _is_xhtml(value: Any) -> bool:
    return type(value) is str and is_narrative(value)


def _matching(type_name: str) -> Check:
    matches = re.compile(tables.get(type_name).regex).fullmatch

    def is_matching(value: Any) -> bool:
        return type(value) is str and matches(value) is not None

    return is_matching


CHECKS: Final[dict[str, Check]] = {
    "base64Binary": _is_base64,
    "boolean": _is_boolean,
    "canonical": _is_uri,
    "code": _is_code,
    "date": _dated(_DATE),
    "dateTime": _dated(_DATE_TIME),
    "decimal": _is_decimal,
    "id": _matching("id"),
    "instant": _dated(_INSTANT),
    "integer": _integer("integer", -(2**31)),
    "markdown": _is_string,
    "oid": _matching("oid"),
    "positiveInt": _integer("positiveInt", 1),
    "string": _is_string,
    "time": _matching("time"),
    "unsignedInt": _integer("unsignedInt", 0),
    "uri": _is_uri,
    "url": _is_uri,
    "uuid": _matching("uuid"),
    "xhtml": _is_xhtml,
}
"""One predicate per primitive type."""

EXPECTED: Final[dict[str, str]] = {
    "base64Binary": "a string of Base64 characters with padding",
    "boolean": "`true` or `false`, without quotes",
    "canonical": "a URI without spaces",
    "code": "a string without leading, trailing or double spaces",
    "date": "an existing day, month or year as YYYY-MM-DD, YYYY-MM or YYYY",
    "dateTime": "YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with a time zone",
    "decimal": "a number, without quotes",
    "id": "1 to 64 letters, digits, `-` or `.`",
    "instant": "YYYY-MM-DDThh:mm:ss with a time zone",
    "integer": "a whole number of 32 bits, without quotes",
    "markdown": "a string that is not empty and has no control characters",
    "oid": "a string such as `urn:oid:1.2.840`",
    "positiveInt": "a whole number from 1 to 2147483647, without quotes",
    "string": "a string that is not empty and has no control characters",
    "time": "a string hh:mm:ss without a time zone",
    "unsignedInt": "a whole number from 0 to 2147483647, without quotes",
    "uri": "a URI without spaces",
    "url": "a URL without spaces",
    "uuid": "a string such as `urn:uuid:` and a UUID in lower case",
    "xhtml": "one `<div>` of XHTML, as https://hl7.org/fhir/R4/narrative.html allows it",
}
"""What each primitive type asks for, in words."""
