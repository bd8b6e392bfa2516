"""Fixed values, patterns and limits.

https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.pattern_x_
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fhir_server.conformance.rules import Value


def meets(value: Any, wanted: Value) -> bool:
    """Return whether a JSON value is what is fixed, or has all that the pattern has."""
    return _same(value, wanted.value) if wanted.exact else _covers(value, wanted.value)


def _same(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return (
            isinstance(value, dict)
            and value.keys() == wanted.keys()
            and all(_same(value[name], item) for name, item in wanted.items())
        )
    if isinstance(wanted, list):
        return (
            isinstance(value, list) and len(value) == len(wanted) and all(map(_same, value, wanted))
        )
    return _equal(value, wanted)


def _covers(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return isinstance(value, dict) and all(
            name in value and _covers(value[name], item) for name, item in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(value, list) and all(
            any(_covers(entry, item) for entry in value) for item in wanted
        )
    return _equal(value, wanted)


def _equal(value: Any, wanted: Any) -> bool:
    """A boolean is no number, whatever Python says."""
    if isinstance(wanted, bool) or isinstance(value, bool):
        return value is wanted
    if isinstance(wanted, int | float | Decimal):
        return isinstance(value, int | float | Decimal) and Decimal(str(value)) == Decimal(
            str(wanted)
        )
    return bool(value == wanted)


def within(value: Any, key: str, limit: Any) -> bool:
    """Return whether a value keeps to `minValue…`, `maxValue…` or `maxLength`.

    What cannot be compared, such as two units, keeps to it.
    """
    if key == "maxLength":
        return not (isinstance(value, str) and isinstance(limit, int)) or len(value) <= limit
    if isinstance(limit, dict) and isinstance(value, dict):
        if value.get("code", value.get("unit")) != limit.get("code", limit.get("unit")):
            return True
        value, limit = value.get("value"), limit.get("value")
    if _is_number(value) and _is_number(limit):
        found = Decimal(str(value)) - Decimal(str(limit))
        return found >= 0 if key.startswith("minValue") else found <= 0
    if isinstance(value, str) and isinstance(limit, str):
        # Dates of different precision are compared as far as both go.
        size = min(len(value), len(limit), 19)
        value, limit = value[:size], limit[:size]
        return bool(value >= limit if key.startswith("minValue") else value <= limit)
    return True


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)
