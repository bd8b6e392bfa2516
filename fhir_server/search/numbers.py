"""Numbers as they are searched: a value, the interval that its digits leave open, a comparison.

https://hl7.org/fhir/R4/search.html#number

All is computed exactly and becomes a double last. Doubles keep the order of what they stand for, so
a boundary that is written with the same digits as a stored value stays a boundary.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any, Final

from fhir_server.search.text import unescape
from kernel.errors import BadValue

PREFIXES: Final = frozenset({"eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"})
LONGEST: Final = 64
"""Characters of a number that can be asked for."""

WIDE: Final = "~"
"""What follows the key of a second entry that an interval has: points, nearly all, have none."""

Filter = dict[str, Any]
Real = Callable[[Decimal], float]
"""Makes the double that is stored and compared, perhaps in another unit."""

_WRITTEN: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")
_CONTEXT: Final = Context(prec=2 * LONGEST)
_HALF: Final = Decimal("0.5")
_TENTH: Final = Decimal("0.1")


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a search asks of a number. `low` (within) to `high` (outside) is what its digits mean."""

    prefix: str
    value: Decimal
    low: Decimal
    high: Decimal


def comparison(text: str) -> Comparison:
    """Return what a search value such as `ge5.40` asks for.

    Raises:
        BadValue: not a number with an optional prefix.
    """
    bare = unescape(text)
    prefix, rest = (bare[:2], bare[2:]) if bare[:2] in PREFIXES else ("eq", bare)
    rest = rest.replace(" ", "+")  # a `+` that was sent unencoded arrives as a space
    if len(rest) > LONGEST or not _WRITTEN.fullmatch(rest):
        raise BadValue(
            f"`{text[:LONGEST]}` is not a number such as `100`, `ge5.40` or `lt-1.5e-3`."
        )
    value = Decimal(rest)
    half = _CONTEXT.multiply(_HALF, Decimal(1).scaleb(_last_digit(value, rest), _CONTEXT))
    return Comparison(prefix, value, _CONTEXT.subtract(value, half), _CONTEXT.add(value, half))


def _last_digit(value: Decimal, written: str) -> int:
    """Return the power of ten of the last digit that counts."""
    exponent = int(value.as_tuple().exponent)
    mantissa = written.lower().removeprefix("-").partition("e")
    # The specification: `1e2` is 95 to 105. So a single digit before an exponent counts as two.
    return exponent - 1 if mantissa[1] and len(mantissa[0]) == 1 else exponent


def compared(asked: Comparison, real: Real = float) -> list[tuple[str, Filter]]:
    """Return the conditions on the interval `l` to `h` of a stored number, any of which may hold.

    Each comes with what follows the key of its entries: "", or `WIDE`. Equality takes the digits
    into account; what is more or less is compared exactly. Every condition on a point bounds `l`,
    even where that says nothing new, so that the scan of the index ends.
    """
    value, low, high = real(asked.value), real(asked.low), real(asked.high)
    # More digits than a double has leave no room between value and bound.
    high = max(high, math.nextafter(value, math.inf))
    match asked.prefix:
        case "ne":
            return [("", {"$or": [{"l": {"$lt": low}}, {"h": {"$gte": high}}]})]
        case "gt":
            return [("", {"l": {"$gt": value}}), (WIDE, {"h": {"$gt": value}})]
        case "ge":
            return [("", {"l": {"$gte": value}}), (WIDE, {"h": {"$gte": value}})]
        case "lt":
            return [("", {"l": {"$lt": value}})]
        case "le":
            return [("", {"l": {"$lte": value}})]
        case "sa":
            return [("", {"l": {"$gt": value}})]
        case "eb":
            return [("", {"l": {"$lt": value}, "h": {"$lt": value}})]
        case "ap":
            low, high = (real(end) for end in _about(asked))
            return [
                ("", {"l": {"$gte": low, "$lte": high}}),
                (WIDE, {"l": {"$lte": high}, "h": {"$gte": low}}),
            ]
    return [("", {"l": {"$gte": low, "$lt": high}, "h": {"$lt": high}})]


def _about(asked: Comparison) -> tuple[Decimal, Decimal]:
    """Within ten percent, or within the digits if these leave more open."""
    tenth = _CONTEXT.multiply(abs(asked.value), _TENTH)
    return (
        min(asked.low, _CONTEXT.subtract(asked.value, tenth)),
        max(asked.high, _CONTEXT.add(asked.value, tenth)),
    )


def decimal(value: Any) -> Decimal | int | None:
    """Return a number of a resource exactly, None if it is no number."""
    kind = type(value)
    if kind is Decimal or kind is int:
        return value  # type: ignore[no-any-return]  # mypy does not narrow by identity of types
    if kind is float:
        return Decimal(repr(value)) if math.isfinite(value) else None
    return None


def double(value: Decimal | int) -> float:
    """Return the nearest double, infinite if there is none."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def opened(low: float, high: float, comparator: str | None) -> tuple[float, float]:
    """Return the interval that `<`, `<=`, `>` or `>=` before a value means."""
    match comparator:
        case "<":
            return -math.inf, math.nextafter(high, -math.inf)
        case "<=":
            return -math.inf, high
        case ">":
            return math.nextafter(low, math.inf), math.inf
        case ">=":
            return low, math.inf
    return low, high
