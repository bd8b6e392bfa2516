"""UCUM: what a unit means in base units, and exact conversion between units.

https://ucum.org/ucum

A unit is a fraction times a product of base units; each arbitrary unit is a base unit of its own.
Units that are no multiples (Cel, [degF], [pH], B) have a function besides. The table is made by
`tools/compile_ucum.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from decimal import Decimal, Overflow
from fractions import Fraction
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Final

import msgspec

from fhir_server.search.scales import FALLING, FUNCTIONS, LARGEST, LINEAR, ROUNDED, WIDE, digits

SYSTEM: Final = "http://unitsofmeasure.org"
LONGEST: Final = 200
"""Characters of a unit that is looked at."""

_BITS: Final = 4096  # of a numerator or denominator: 10*9999 is no unit that anybody measures in


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit in base units: `x` of it are `factor * function(x * step)` of `canonical`."""

    factor: Fraction
    powers: tuple[tuple[str, int], ...] = ()
    function: str = ""
    step: Fraction = Fraction(1)
    canonical: str = field(default="", compare=False)
    """The product of base units as UCUM writes it, `1` if there is none."""
    line: tuple[int, int, int] | None = field(default=None, compare=False)
    """`a`, `b` and `c` if `x` of the unit are `(a * x + b) / c` in base units."""

    @property
    def rising(self) -> bool:
        """Whether more of the unit is more of its base units: not so of pH."""
        return self.function not in FALLING

    def real(self, value: Decimal | int) -> float:
        """Return a value in base units, as the nearest double."""
        if self.line is None:
            found = _to_base(self, value)
            return math.inf if found is None else _double(found.numerator, found.denominator)
        over, under = value.as_integer_ratio()
        a, b, c = self.line
        return _double(a * over + b * under, c * under)


def _double(over: int, under: int) -> float:
    try:
        return over / under  # whole numbers are divided exactly, then rounded once
    except OverflowError:
        return math.inf if over > 0 else -math.inf


def valid(unit: str) -> bool:
    """Return whether a code is a unit of UCUM (case sensitive)."""
    return parse(unit) is not None


def canonical(value: Decimal, unit: str) -> tuple[Decimal, str] | None:
    """Return a value in base units and their code; None if the unit is not one of UCUM."""
    found = parse(unit)
    base = None if found is None else _to_base(found, value)
    if found is None or base is None:
        return None
    number = _decimal(base, exact=found.function in LINEAR)
    return None if number is None else (number, found.canonical)


def convert(value: Decimal, from_unit: str, to_unit: str) -> Decimal | None:
    """Return a value in another unit; None if the units do not measure the same."""
    source, target = parse(from_unit), parse(to_unit)
    if source is None or target is None or source.powers != target.powers:
        return None
    if from_unit == to_unit:
        return value
    base = _to_base(source, value)
    found = None if base is None else _from_base(target, base)
    return (
        None
        if found is None
        else _decimal(found, exact={source.function, target.function} <= LINEAR)
    )


def _decimal(value: Fraction, *, exact: bool) -> Decimal | None:
    """Return a fraction as a decimal: exact if it ends, else rounded once; None beyond any number."""
    try:
        found = digits(value)
    except Overflow:
        return None
    if not exact or Fraction(found) != value:
        found = ROUNDED.plus(found)
    found = found.normalize(WIDE)
    # `5400`, not `5.4E+3`
    return found.quantize(Decimal(1), context=WIDE) if 0 < _exponent(found) <= 9 else found


def _exponent(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0


def _to_base(unit: Unit, value: Decimal | int) -> Fraction | None:
    if isinstance(value, Decimal) and not (value.is_finite() and abs(value.adjusted()) <= LARGEST):
        return None
    if not unit.function:
        return Fraction(value) * unit.factor
    try:
        return FUNCTIONS[unit.function][0](Fraction(value) * unit.step) * unit.factor
    except (ArithmeticError, ValueError):  # a thousand bel is beyond any number
        return None


def _from_base(unit: Unit, base: Fraction) -> Fraction | None:
    if not unit.function:
        return base / unit.factor
    try:
        return FUNCTIONS[unit.function][1](base / unit.factor) / unit.step
    except (ArithmeticError, ValueError):  # there is no logarithm of nothing
        return None


@lru_cache(maxsize=4096)
def parse(unit: str) -> Unit | None:
    """Return what a code means; None if it is not a unit of UCUM."""
    if not unit or len(unit) > LONGEST or not unit.isascii():
        return None
    try:
        found = _Reader(unit).whole()
    except (ValueError, RecursionError):
        return None
    return replace(found, canonical=_written(found.powers), line=_line(found))


def _line(unit: Unit) -> tuple[int, int, int] | None:
    if unit.function not in LINEAR:
        return None
    shift = FUNCTIONS[unit.function][0](Fraction(0)) * unit.factor if unit.function else Fraction(0)
    slope = unit.factor * unit.step
    common = math.lcm(slope.denominator, shift.denominator)
    return int(slope * common), int(shift * common), common


def _written(powers: tuple[tuple[str, int], ...]) -> str:
    return ".".join(f"{code}{power if power != 1 else ''}" for code, power in powers) or "1"


class _Reader:
    """Reads one code, left to right: `term = ["/"] component {("." | "/") component}`."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def whole(self) -> Unit:
        found = self.term()
        if self.at != len(self.text):
            raise ValueError(self.text)
        return found

    def next(self) -> str:
        return self.text[self.at : self.at + 1]

    def term(self) -> Unit:
        found = Unit(Fraction(1)) if self.next() == "/" else self.component()
        while (operator := self.next()) in {".", "/"}:
            self.at += 1
            found = _product(found, self.component(), 1 if operator == "." else -1)
        return found

    def component(self) -> Unit:
        start = self.at
        found = Unit(Fraction(1))
        if self.next() == "(":
            self.at += 1
            found = self.term()
            if self.next() != ")":
                raise ValueError(self.text)
            self.at += 1
        elif self.next() != "{":
            found = self.atom()
        if self.next() == "{":
            self.annotation()
        if self.at == start:
            raise ValueError(self.text)
        return found

    def annotation(self) -> None:
        end = self.text.find("}", self.at)
        inside = self.text[self.at + 1 : end]
        if end < 0 or "{" in inside or not all("!" <= letter <= "~" for letter in inside):
            raise ValueError(self.text)
        self.at = end + 1

    def atom(self) -> Unit:
        digits = self.digits()
        if digits and self.next() not in {"*", "^"}:
            if not int(digits):
                raise ValueError(self.text)
            return Unit(Fraction(int(digits)))
        if digits:  # `10*` and `10^` are symbols
            self.at += 1
            symbol = digits + self.text[self.at - 1]
        else:
            symbol = self.symbol()
        return _product(Unit(Fraction(1)), _symbol(symbol), self.exponent())

    def exponent(self) -> int:
        sign = self.next() if self.next() in {"+", "-"} else ""
        self.at += len(sign)
        digits = self.digits()
        if (sign and not digits) or (digits and not int(digits)):
            raise ValueError(self.text)
        return int(sign + digits) if digits else 1

    def digits(self) -> str:
        start = self.at
        while self.next().isdigit():
            self.at += 1
        if self.at - start > 6:
            raise ValueError(self.text)
        return self.text[start : self.at]

    def symbol(self) -> str:
        """Read a symbol; what is in square brackets may hold anything."""
        start = self.at
        while (letter := self.next()) and letter not in "./(){}+-0123456789]" and letter > " ":
            if letter == "[":
                self.at = self.text.find("]", self.at)
                if self.at < 0:
                    raise ValueError(self.text)
            self.at += 1
        return self.text[start : self.at]


def _product(left: Unit, right: Unit, power: int) -> Unit:
    """Return `left * right ** power`."""
    if right.function:
        # Degrees Celsius cannot be multiplied or divided, only stand alone.
        if power == 1 and not left.powers and left.factor == 1 and not left.function:
            return right
        raise ValueError("a unit that is no multiple stands alone")
    if left.function:
        raise ValueError("a unit that is no multiple stands alone")
    bits = max(right.factor.numerator.bit_length(), right.factor.denominator.bit_length())
    if bits * abs(power) > _BITS:
        raise ValueError("too large")
    powers = dict(left.powers)
    for code, exponent in right.powers:
        powers[code] = powers.get(code, 0) + exponent * power
    factor = left.factor * right.factor**power
    if max(factor.numerator.bit_length(), factor.denominator.bit_length()) > _BITS:
        raise ValueError("too large")
    return Unit(factor, tuple(sorted((code, n) for code, n in powers.items() if n)))


@lru_cache(maxsize=4096)
def _symbol(symbol: str) -> Unit:
    """Return a unit, with or without a prefix.

    Raises:
        ValueError: there is no such unit.
    """
    table = _table()
    if symbol in table["base"] or symbol in table["units"]:
        return _unit(symbol)
    for length in (1, 2):
        prefix, code = symbol[:length], symbol[length:]
        if prefix in table["prefixes"] and _metric(code):
            scale = Fraction(table["prefixes"][prefix])
            unit = _unit(code)
            if unit.function:
                return Unit(unit.factor, unit.powers, unit.function, unit.step * scale)
            return Unit(unit.factor * scale, unit.powers)
    raise ValueError(symbol)


def _metric(code: str) -> bool:
    table = _table()
    return code in table["base"] or (code in table["units"] and "m" in table["units"][code][2])


@cache
def _unit(code: str) -> Unit:
    table = _table()
    if code in table["base"]:
        return Unit(Fraction(1), ((code, 1),))
    value, of, flags, *function = table["units"][code]
    if "a" in flags and of == "1":  # an arbitrary unit is only ever itself
        return Unit(Fraction(1), ((code, 1),))
    found = _Reader(of).whole()
    return Unit(found.factor * Fraction(value), found.powers, function[0] if function else "")


@cache
def _table() -> dict[str, Any]:
    content = files("profiles").joinpath("ucum", "units.json").read_bytes()
    table: dict[str, Any] = msgspec.json.decode(content)
    return table
