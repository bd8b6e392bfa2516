"""How far a value of limited precision reaches.

https://hl7.org/fhirpath/#boundaries
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import TYPE_CHECKING, Final, Literal

from fhir_server.fhirpath import amount, system, temporal
from fhir_server.fhirpath.amount import Amount
from fhir_server.fhirpath.function import Function
from fhir_server.fhirpath.node import EMPTY, boolean, integer
from fhir_server.fhirpath.temporal import Temporal
from kernel.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_server.fhirpath.function import Apply
    from fhir_server.fhirpath.node import Collection
    from fhir_server.fhirpath.scope import Code, Scope
    from fhir_server.fhirpath.system import Value

Side = Literal["low", "high"]

_MOST_DIGITS: Final = 31
_EXACT: Final = Context(prec=2100)
_PARTS: Final = {
    "Date": {4: 1, 6: 2, 8: 3},
    "DateTime": {4: 1, 6: 2, 8: 3, 10: 4, 12: 5, 14: 6, 17: 6},
    "Time": {2: 1, 4: 2, 6: 3, 9: 3},
}
"""Digits of a precision, and how many parts have them."""

_FINEST: Final = {"Date": 8, "DateTime": 17, "Time": 9}
_FIRST_ZONE: Final = "+14:00"
_LAST_ZONE: Final = "-12:00"


def _boundary(side: Side) -> Apply:
    name = f"{side}Boundary"

    def run(scope: Scope, items: Collection, arguments: Sequence[Code]) -> Collection:
        node = system.single(items, f"`{name}()`")
        found = None if node is None else system.value(node)
        if node is None or (found is None and node.kind.system):
            return EMPTY
        digits = system.whole(arguments[0](scope), f"`{name}()`") if arguments else None
        if arguments and digits is None:
            return EMPTY
        if found is None or isinstance(found, bool | str):
            raise Invalid(f"`{name}()` takes a number, a date or a time, not a `{node.type}`.")
        return system.one(_reach(found, side, digits))

    return run


def _reach(found: Value, side: Side, digits: int | None) -> Value | None:
    if isinstance(found, Temporal):
        return _moment(found, side, digits)
    if isinstance(found, Amount):
        value = _number(found.value, side, digits)
        return None if value is None else Amount(value, found.unit)
    return _number(Decimal(found), side, digits) if isinstance(found, int | Decimal) else None


def _number(value: Decimal, side: Side, digits: int | None) -> Decimal | None:
    """Return half a unit of the last digit down or up, to so many digits behind the point."""
    digits = 8 if digits is None else digits
    if not 0 <= digits <= _MOST_DIGITS:
        return None
    half = Decimal(5).scaleb(-amount.places(value) - 1)
    reach = _EXACT.subtract(value, half) if side == "low" else _EXACT.add(value, half)
    rounding = ROUND_FLOOR if side == "low" else ROUND_CEILING
    return reach.quantize(Decimal(1).scaleb(-digits), rounding, _EXACT)


def _moment(found: Temporal, side: Side, digits: int | None) -> Temporal | None:
    digits = _FINEST[found.type] if digits is None else digits
    count = _PARTS[found.type].get(digits)
    if count is None:
        return None
    zero, last = Decimal("0.000"), Decimal("59.999")
    if found.type == "Time":
        fill: temporal.Parts = (0, 0, zero) if side == "low" else (23, 59, last)
    else:
        end = temporal.last_parts(found.parts)
        fill = (1, 1, 1, 0, 0, zero) if side == "low" else (*end[:3], 23, 59, last)
    parts = [*found.parts, *fill[len(found.parts) :]]
    parts[-1] = _second(Decimal(parts[-1]), side) if len(parts) == len(fill) else parts[-1]
    if digits in {6, 14} and count == len(fill):
        parts[-1] = Decimal(int(parts[-1]))
    zone = found.zone or (_FIRST_ZONE if side == "low" else _LAST_ZONE)
    if found.type == "DateTime" and count < 4:
        return Temporal("DateTime", tuple(parts[:count]))
    return Temporal(found.type, tuple(parts[:count]), zone if found.type == "DateTime" else "")


def _second(value: Decimal, side: Side) -> Decimal:
    """Return a second to the millisecond."""
    places = amount.places(value)
    if places >= 3:
        return value.quantize(Decimal("0.001"), ROUND_FLOOR)
    reach = Decimal(1).scaleb(-places) - Decimal("0.001") if side == "high" else Decimal(0)
    return (value + reach).quantize(Decimal("0.001"))


def _precision(_: Scope, items: Collection, __: Sequence[Code]) -> Collection:
    node = system.single(items, "`precision()`")
    found = None if node is None else system.value(node)
    if isinstance(found, int | Decimal) and not isinstance(found, bool):
        return integer(amount.places(Decimal(found)))
    if isinstance(found, Temporal):
        return integer(_digits(found))
    if node is None or found is None:
        return EMPTY
    raise Invalid(f"`precision()` takes a number, a date or a time, not a `{node.type}`.")


def _digits(found: Temporal) -> int:
    parts = found.parts
    digits = 2 * len(parts) + (0 if found.type == "Time" else 2)
    finest = len(parts) == (3 if found.type == "Time" else 6)
    return digits + (amount.places(Decimal(parts[-1])) if finest else 0)


def _comparable(scope: Scope, items: Collection, arguments: Sequence[Code]) -> Collection:
    nodes = (
        system.single(items, "`comparable()`"),
        system.single(arguments[0](scope), "`comparable()`"),
    )
    amounts = [None if node is None else system.value(node) for node in nodes]
    one, other = amounts
    if not isinstance(one, Amount) or not isinstance(other, Amount):
        return EMPTY
    return boolean(amount.aligned(one, other, scope.run.options.canonical) is not None)


FUNCTIONS: Final = (
    Function("lowBoundary", _boundary("low"), 0, 1),
    Function("highBoundary", _boundary("high"), 0, 1),
    Function("precision", _precision),
    Function("comparable", _comparable, 1, 1),
)
