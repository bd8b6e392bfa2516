"""Numbers.

https://hl7.org/fhirpath/N1/#math
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, Decimal, DecimalException
from typing import TYPE_CHECKING, Final

from fhir_server.fhirpath import amount, system
from fhir_server.fhirpath.amount import ARITHMETIC, Amount
from fhir_server.fhirpath.function import Function
from fhir_server.fhirpath.node import EMPTY
from kernel.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fhir_server.fhirpath.node import Collection
    from fhir_server.fhirpath.scope import Code, Scope
    from fhir_server.fhirpath.system import Value

Number = int | Decimal

_GUARD: Final = 20
"""Digits behind the point that a logarithm or a root is right to, and rounded to."""


def number(collection: Collection, name: str) -> Number | None:
    """Return the one item as a number.

    Raises:
        Invalid: it is none.
    """
    node = system.single(collection, f"`{name}()`")
    found = None if node is None else system.value(node)
    if node is None or (found is None and node.kind.primitive):
        return None
    if isinstance(found, bool) or not isinstance(found, int | Decimal):
        raise Invalid(f"`{name}()` takes a number, and {system.where([node])} is a `{node.type}`.")
    return found


def _of_number(name: str, compute: Callable[..., Value | None], arguments: int = 0) -> Function:
    """Return a function of a number and others; empty if any is, or if there is no result."""

    def run(scope: Scope, items: Collection, codes: Sequence[Code]) -> Collection:
        given = [number(items, name), *(number(code(scope), name) for code in codes)]
        if None in given:
            return EMPTY
        try:
            return system.one(compute(*given))
        except DecimalException:
            return EMPTY

    return Function(name, run, arguments, arguments)


def _neat(value: Decimal) -> Decimal:
    """Return an irrational number rounded, without the zeros of an exact result."""
    return amount.rounded(value, _GUARD).normalize()


def _whole(rounding: str) -> Callable[[Number], int]:
    return lambda value: int(Decimal(value).to_integral_value(rounding))


def _square_root(value: Number) -> Decimal | None:
    return _neat(ARITHMETIC.sqrt(Decimal(value))) if value >= 0 else None


def _logarithm(value: Number) -> Decimal | None:
    return _neat(ARITHMETIC.ln(Decimal(value))) if value > 0 else None


def _logarithm_to(value: Number, to: Number) -> Decimal | None:
    if value <= 0 or to <= 0 or to == 1:
        return None
    ratio = ARITHMETIC.divide(ARITHMETIC.ln(Decimal(value)), ARITHMETIC.ln(Decimal(to)))
    return _neat(ratio)


def _power(value: Number, exponent: Number) -> Value | None:
    if value < 0 and exponent != int(exponent):
        return None
    found = ARITHMETIC.power(Decimal(value), Decimal(exponent))
    both_whole = isinstance(value, int) and isinstance(exponent, int)
    if both_whole and exponent >= 0:
        return int(found) if abs(found) < 2**31 else None
    return found


def _round(scope: Scope, items: Collection, arguments: Sequence[Code]) -> Collection:
    value = number(items, "round")
    digits = system.whole(arguments[0](scope), "`round()`") if arguments else 0
    if value is None or digits is None:
        return EMPTY
    if not 0 <= digits <= 64:
        raise Invalid(f"`round()` takes 0 to 64 digits, not {digits}.")
    return system.one(amount.rounded(Decimal(value), digits))


def _absolute(_: Scope, items: Collection, __: Sequence[Code]) -> Collection:
    node = system.single(items, "`abs()`")
    found = None if node is None else system.value(node)
    if isinstance(found, Amount):
        return system.one(Amount(abs(found.value), found.unit))
    value = number(items, "abs")
    return EMPTY if value is None else system.one(-value if value < 0 else value)


FUNCTIONS: Final = (
    _of_number("ceiling", _whole(ROUND_CEILING)),
    _of_number("floor", _whole(ROUND_FLOOR)),
    _of_number("truncate", _whole(ROUND_DOWN)),
    _of_number("exp", lambda value: _neat(ARITHMETIC.exp(Decimal(value)))),
    _of_number("ln", _logarithm),
    _of_number("log", _logarithm_to, 1),
    _of_number("sqrt", _square_root),
    _of_number("power", _power, 1),
    Function("round", _round, 0, 1),
    Function("abs", _absolute),
)
