"""Quantity parameters: a number in a unit, as written and in base units.

https://hl7.org/fhir/R4/search.html#quantity

A quantity has one entry as written, with the tokens of its unit, and one in base units if its unit
is of UCUM: the key of that one ends in the code of the base units, so that `5400 ug` is `5.4 mg`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Context, Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from fhir_server.search import ucum
from fhir_server.search.kind import Condition, Facts, Index, Scope, SearchType, Where, either
from fhir_server.search.numbers import (
    WIDE,
    Comparison,
    Real,
    compared,
    comparison,
    decimal,
    double,
    opened,
)
from fhir_server.search.params.date import missing
from fhir_server.search.params.number import one_of
from fhir_server.search.text import split, unescape
from fhir_server.search.tokens import plain, token
from kernel.errors import BadValue

if TYPE_CHECKING:
    from collections.abc import Callable

    from fhir_server.search.parameters import Parameter, Path

CURRENCIES: Final = "urn:iso:std:iso:4217"
MOST_SAMPLES: Final = 100_000
"""Values of a SampledData that are looked at."""

_CONTEXT: Final = Context(prec=64)

Amount = dict[str, Any]
Entry = tuple[str, float, float, tuple[int, ...]]
"""What follows the key, low, high, the tokens of the unit."""


def index(type: str, path: Path) -> Index:
    key = f"{type}.{path.key}"
    read = READ.get(path.datatype, quantity)

    def add(value: Any, facts: Facts) -> None:
        for suffix, low, high, units in read(value):
            facts.quantities.append((token(key + suffix), low, high, units))

    return add


def quantity(value: Amount) -> list[Entry]:
    """Return the entries of a Quantity; its comparator opens the interval."""
    exact = decimal(value.get("value"))
    if exact is None:
        return []
    tokens, unit, suffix = _unit(value.get("system"), value.get("code"), value.get("unit"))
    number = double(exact)
    found: list[Entry] = [("", number, number, tokens)]
    if unit is not None:
        real = unit.real(exact)
        found.append((suffix, real, real, ()))
    comparator = value.get("comparator")
    if comparator is None:
        return found
    return _wide([(key, *opened(low, high, comparator), units) for key, low, high, units in found])


def _wide(entries: list[Entry]) -> list[Entry]:
    """Return entries and the second ones of those that are no points."""
    second = [(key + WIDE, low, high, units) for key, low, high, units in entries if low != high]
    return entries + second


@lru_cache(maxsize=1 << 12)
def _unit(
    system: str | None, code: str | None, text: str | None
) -> tuple[tuple[int, ...], ucum.Unit | None, str]:
    unit = base(system, code)
    return units(system, code, text), unit, "" if unit is None else f"={unit.canonical}"


def money(value: Amount) -> list[Entry]:
    exact = decimal(value.get("value"))
    if exact is None:
        return []
    number = double(exact)
    return [("", number, number, units(CURRENCIES, value.get("currency"), None))]


def between(value: Amount) -> list[Entry]:
    """Return the entries of a Range; an end that it does not say is open."""
    low, high = value.get("low") or {}, value.get("high") or {}
    first, last = decimal(low.get("value")), decimal(high.get("value"))
    if first is None and last is None:
        return []
    ends = [end for end, number in ((low, first), (high, last)) if number is not None]
    tokens = [t for end in ends for t in units(end.get("system"), end.get("code"), end.get("unit"))]
    entries: list[Entry] = [("", *_ends(first, last, double, double), tuple(dict.fromkeys(tokens)))]
    bases = [base(end.get("system"), end.get("code")) for end in ends]
    found = [unit for unit in bases if unit is not None]
    if len(found) == len(ends) and len({unit.canonical for unit in found}) == 1:
        limits = _ends(first, last, found[0].real, found[-1].real)
        entries.append((f"={found[0].canonical}", *limits, ()))
    return _wide(entries)


def _ends(
    low: Decimal | int | None,
    high: Decimal | int | None,
    lower: Callable[[Decimal | int], float],
    upper: Callable[[Decimal | int], float],
) -> tuple[float, float]:
    first = -math.inf if low is None else lower(low)
    return first, max(first, math.inf if high is None else upper(high))


def samples(value: Amount) -> list[Entry]:
    """Return the entries of a SampledData: from its least to its greatest value.

    https://hl7.org/fhir/R4/datatypes.html#SampledData
    """
    origin = value.get("origin") or {}
    zero, factor = decimal(origin.get("value")), decimal(value.get("factor", 1))
    numbers = [n for text in _words(value) if (n := _sample(text)) is not None]
    if zero is None or factor is None or not numbers:
        return []
    ends = sorted(
        _CONTEXT.add(Decimal(zero), _CONTEXT.multiply(Decimal(factor), Decimal(repr(number))))
        for number in (min(numbers), max(numbers))
    )
    low, high = ({**origin, "value": end} for end in ends)
    return between({"low": low, "high": high})


def _words(value: Amount) -> list[str]:
    return str(value.get("data") or "").split(maxsplit=MOST_SAMPLES)[:MOST_SAMPLES]


def _sample(text: str) -> float | None:
    """Return one value; None for `E` (error), `L` (below) and `U` (above the detection limit)."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


READ: Final[dict[str, Callable[[Amount], list[Entry]]]] = {
    "Money": money,
    "Range": between,
    "SampledData": samples,
}


def units(system: str | None, code: str | None, text: str | None) -> tuple[int, ...]:
    """Return the tokens of a unit: `system|code`, and `|code` for its code and its text."""
    found = [_written(system, code)] if system and code else []
    return tuple(dict.fromkeys([*found, *(_written("", form) for form in (code, text) if form)]))


def _written(system: str, code: str) -> int:
    return token(f"_unit={plain(system)}|{plain(code)}")


def base(system: str | None, code: str | None) -> ucum.Unit | None:
    """Return the unit if it can be compared in base units."""
    if system != ucum.SYSTEM or not code:
        return None
    unit = ucum.parse(code)
    return unit if unit is not None and unit.rising else None


@dataclass(frozen=True, slots=True)
class Asked:
    """What a search asks of a quantity: `suffix` follows the key, `unit` is a token of its unit."""

    number: Comparison
    suffix: str = ""
    real: Real = float
    unit: int | None = None

    def conditions(self) -> list[tuple[str, dict[str, Any]]]:
        """Return conditions on an entry, each with what follows its key."""
        unit = {} if self.unit is None else {"u": self.unit}
        return [
            (self.suffix + wide, condition | unit)
            for wide, condition in compared(self.number, self.real)
        ]


def asked(value: str) -> Asked:
    """Return what `5.4`, `5.4|http://unitsofmeasure.org|mg` or `5.4||mg` asks for.

    Raises:
        BadValue: none of these.
    """
    number, *unit = split(value, "|")
    if not unit:
        return Asked(comparison(number))
    if len(unit) != 2 or not unit[1]:
        raise BadValue(f"`{value[:200]}` is not `number`, `number|system|code` or `number||unit`.")
    system, code = (unescape(part) for part in unit)
    found = base(system, code)
    if found is not None:
        return Asked(comparison(number), "=" + found.canonical, found.real)
    return Asked(comparison(number), unit=_written(system, code))


def match(parameter: Parameter, modifier: str, values: tuple[str, ...], _: Scope) -> Condition:
    keys = [f"{parameter.type}.{key}" for key in parameter.keys]
    if modifier == "missing":
        present = {"q": {"$elemMatch": {"p": one_of([token(key) for key in keys])}}}
        return Where({"$nor": [present]} if missing(values) else present)
    return either(
        [
            {"q": {"$elemMatch": {"p": one_of([token(key + suffix) for key in keys])} | condition}}
            for value in values
            for suffix, condition in asked(value).conditions()
        ]
    )


QUANTITY = SearchType("quantity", index, match, frozenset({"missing"}))
