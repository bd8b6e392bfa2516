"""Units that are no multiples of another: temperatures, levels, acidity, homeopathic potencies.

https://ucum.org/ucum#section-Special-Units-on-non-ratio-Scales
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from decimal import Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from fractions import Fraction
from types import MappingProxyType
from typing import Final

DIGITS: Final = 30
"""Significant digits of a result that has no end."""
LARGEST: Final = 1999
"""Exponent of a value: a short text must not become a gigabyte of zeros."""

_TRAPS: Final = [Overflow, InvalidOperation, DivisionByZero]
ROUNDED: Final = Context(prec=DIGITS, traps=_TRAPS)
WIDE: Final = Context(prec=DIGITS + 10, Emax=LARGEST, Emin=-LARGEST, clamp=0, traps=_TRAPS)
"""Raise on what has no result; their flags are never read."""

Function = tuple[Callable[[Fraction], Fraction], Callable[[Fraction], Fraction]]


def digits(value: Fraction) -> Decimal:
    """Return a fraction as a decimal, exact if it ends soon."""
    return WIDE.divide(Decimal(value.numerator), Decimal(value.denominator))


def _shift(by: str) -> Function:
    return (lambda x: x + Fraction(by)), (lambda x: x - Fraction(by))


def _power(base: int, scale: str = "1") -> Function:
    """Return `base ** (x * scale)` and its inverse."""
    logarithm = WIDE.ln(Decimal(base))
    exponent = Fraction(scale)

    def forth(x: Fraction) -> Fraction:
        power = x * exponent
        if power.denominator == 1 and abs(power) <= 999:
            return Fraction(base) ** int(power)
        return Fraction(WIDE.exp(WIDE.multiply(digits(power), logarithm)))

    def back(y: Fraction) -> Fraction:
        return Fraction(WIDE.divide(WIDE.ln(digits(y)), logarithm)) / exponent

    return forth, back


def _float(value: float) -> Fraction:
    """Return a result of trigonometry without the last digit, which is noise."""
    return Fraction(f"{value:.15g}")


FUNCTIONS: Final[Mapping[str, Function]] = MappingProxyType(
    {
        "Cel": _shift("273.15"),
        "degF": _shift("459.67"),
        "degRe": _shift("218.52"),
        "pH": _power(10, "-1"),
        "lg": _power(10),
        "lgTimes2": _power(10, "1/2"),
        "ld": _power(2),
        "ln": (
            lambda x: Fraction(WIDE.exp(digits(x))),
            lambda y: Fraction(WIDE.ln(digits(y))),
        ),
        "hpX": _power(10, "-1"),
        "hpC": _power(100, "-1"),
        "hpM": _power(1000, "-1"),
        "hpQ": _power(50000, "-1"),
        "tanTimes100": (
            lambda x: _float(math.atan(x / 100)),
            lambda y: _float(math.tan(y)) * 100,
        ),
        "100tan": (
            lambda x: _float(math.degrees(math.atan(x / 100))),
            lambda y: _float(math.tan(math.radians(y))) * 100,
        ),
        "sqrt": (lambda x: x * x, lambda y: Fraction(WIDE.sqrt(digits(y)))),
    }
)
"""From a value to its multiple of the unit in the table, and back."""

LINEAR: Final = frozenset({"", "Cel", "degF", "degRe"})
"""Functions whose results are exact."""
FALLING: Final = frozenset({"pH", "hpX", "hpC", "hpM", "hpQ"})
"""Functions of which more is less."""
