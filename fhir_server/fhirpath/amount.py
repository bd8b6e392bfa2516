"""Quantities: a number with a UCUM unit or a word of the calendar.

https://hl7.org/fhirpath/N1/#quantity
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Final

from fhir_server.fhirpath import temporal

Canonical = Callable[[Decimal, str], tuple[Decimal, str] | None]
"""Converts a value and its UCUM unit to base units; None for a unit that it does not know."""

ARITHMETIC: Final = Context(prec=34, Emax=9999, Emin=-9999)
"""Raises on what has no result: division by zero, overflow. Its flags are never read."""

WORDS: Final = ("year", "month", *temporal.UNITS)
"""The calendar units; a plural `s` is the same unit."""

DEFINITE: Final = {
    "wk": "week",
    "d": "day",
    "h": "hour",
    "min": "minute",
    "s": "second",
    "ms": "millisecond",
}
"""UCUM units that are as long as the calendar unit. `a` and `mo` are means, and not as long."""

_TEXT: Final = re.compile(r"([+-]?\d{1,64}(?:\.\d{1,64})?)\s*(?:'([^']{1,200})'|([a-z]+))?")
_MONTHS: Final = {"year": Decimal(12), "month": Decimal(1)}
_MEAN: Final = {"a": "year", "mo": "month"}


@dataclass(frozen=True, slots=True)
class Amount:
    """A System Quantity; `unit` is a UCUM code, `1` for none, or one of `WORDS`."""

    value: Decimal
    unit: str = "1"

    def __str__(self) -> str:
        if self.unit in WORDS:
            return f"{self.value} {self.unit}{'' if abs(self.value) == 1 else 's'}"
        return f"{self.value} '{self.unit}'"


def word(text: str) -> str:
    """Return the calendar unit that a text names, "" if it names none."""
    single = text.removesuffix("s")
    return single if single in WORDS else ""


def parse(text: str) -> Amount | None:
    """Return the quantity that a text such as `4.5 'mg'` or `3 days` stands for."""
    found = _TEXT.fullmatch(text)
    if found is None:
        return None
    number, code, named = found.groups()
    if named is not None and not word(named):
        return None
    return Amount(Decimal(number), word(code or named or "") or code or "1")


def calendar_unit(unit: str) -> str | None:
    """Return the calendar unit that may be added to a date; None for anything else."""
    return unit if unit in WORDS else DEFINITE.get(unit)


def aligned(
    one: Amount, other: Amount, canonical: Canonical | None
) -> tuple[Decimal, Decimal] | None:
    """Return both values in a unit that they share; None if they do not measure the same."""
    if one.unit == other.unit:
        return one.value, other.value
    left, right = based(one, canonical), based(other, canonical)
    if left is None or right is None or left[1] != right[1]:
        return None
    return left[0], right[0]


def converted(amount: Amount, unit: str, canonical: Canonical | None) -> Decimal | None:
    """Return the value in another unit; None if there is no such conversion.

    A unit may have an offset, such as `Cel`; one that grows otherwise, such as `[pH]`, has none.
    """
    if amount.unit == unit:
        return amount.value
    found = based(amount, canonical)
    marks = [based(Amount(Decimal(number), unit), canonical) for number in range(3)]
    zero, one, two = (None if mark is None else mark[0] for mark in marks)
    if found is None or zero is None or one is None or two is None or marks[0] is None:
        return None
    slope = ARITHMETIC.subtract(one, zero)
    if found[1] != marks[0][1] or not slope or ARITHMETIC.subtract(two, one) != slope:
        return None
    return ARITHMETIC.divide(ARITHMETIC.subtract(found[0], zero), slope)


def based(amount: Amount, canonical: Canonical | None) -> tuple[Decimal, str] | None:
    """Return the value in a base unit, and that unit; None for an unknown one."""
    unit = calendar_unit(amount.unit)
    if unit in _MONTHS:
        return ARITHMETIC.multiply(amount.value, _MONTHS[unit]), "month"
    if unit is not None:
        return ARITHMETIC.multiply(amount.value, temporal.UNITS[unit]), "s"
    if canonical is None or amount.unit == "1":
        return amount.value, amount.unit
    return canonical(amount.value, amount.unit)


def equivalent_units(amount: Amount) -> Amount:
    """Return the amount with `a` and `mo` as calendar units, as `~` takes them."""
    return Amount(amount.value, _MEAN.get(amount.unit, amount.unit))


def multiplied(one: Amount, other: Amount) -> Amount:
    """Return the product; its unit is the UCUM product of both."""
    units = [_code(unit) for unit in (one.unit, other.unit) if unit != "1"]
    return Amount(ARITHMETIC.multiply(one.value, other.value), ".".join(units) or "1")


def divided(one: Amount, other: Amount) -> Amount | None:
    """Return the quotient, None for a division by zero."""
    if not other.value:
        return None
    unit = one.unit
    if unit == other.unit:
        unit = "1"
    elif other.unit != "1":
        above = "" if unit == "1" else _code(unit)
        unit = f"{above}/{_code(other.unit)}"
    return Amount(ARITHMETIC.divide(one.value, other.value), unit)


def _code(unit: str) -> str:
    """Return a unit as a factor of another: UCUM code, in brackets if it is a quotient itself."""
    for code, name in DEFINITE.items():
        if name == unit:
            return code
    return f"({unit})" if "/" in unit else unit


def places(value: Decimal) -> int:
    """Return how many digits a number has behind its point."""
    exponent = value.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def rounded(value: Decimal, digits: int) -> Decimal:
    """Return the number rounded half up; unchanged if it has no more digits than that."""
    if places(value) <= digits:
        return value
    return value.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP, Context(prec=2100))


def alike(one: Decimal, other: Decimal) -> bool:
    """Return whether numbers are equal at the precision of the less precise one."""
    digits = min(places(one.normalize()), places(other.normalize()))
    return rounded(one, digits) == rounded(other, digits)
