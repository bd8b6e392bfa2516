"""From one type to another: `toX()` and `convertsToX()`.

https://hl7.org/fhirpath/N1/#conversion
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from fhir_server.fhirpath import amount, system, temporal
from fhir_server.fhirpath.amount import Amount
from fhir_server.fhirpath.function import Function
from fhir_server.fhirpath.node import EMPTY, boolean
from fhir_server.fhirpath.temporal import Temporal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fhir_server.fhirpath.function import Apply
    from fhir_server.fhirpath.node import Collection
    from fhir_server.fhirpath.scope import Code, Scope
    from fhir_server.fhirpath.system import Value

_INTEGER: Final = re.compile(r"[+-]?\d{1,10}", re.ASCII)
_DECIMAL: Final = re.compile(r"[+-]?\d{1,64}(\.\d{1,64})?", re.ASCII)
_TRUE: Final = frozenset({"true", "t", "yes", "y", "1", "1.0"})
_FALSE: Final = frozenset({"false", "f", "no", "n", "0", "0.0"})


def to_boolean(found: Value) -> Value | None:
    if isinstance(found, bool):
        return found
    if isinstance(found, str):
        text = found.lower()
        return True if text in _TRUE else False if text in _FALSE else None
    if isinstance(found, int | Decimal) and found in {0, 1}:
        return bool(found)
    return None


def to_integer(found: Value) -> Value | None:
    if isinstance(found, bool | int):
        return int(found)
    if isinstance(found, str) and _INTEGER.fullmatch(found):
        return int(found)
    return None


def to_decimal(found: Value) -> Value | None:
    if isinstance(found, bool | int | Decimal):
        return Decimal(found)
    if isinstance(found, str) and _DECIMAL.fullmatch(found):
        return Decimal(found)
    return None


def to_text(found: Value) -> Value | None:
    return system.written(found)


def to_date(found: Value) -> Value | None:
    if isinstance(found, Temporal):
        return None if found.type == "Time" else Temporal("Date", found.parts[:3])
    if not isinstance(found, str):
        return None
    moment = temporal.parse(found, "DateTime") if "T" in found else None
    return temporal.parse(found, "Date") if moment is None else Temporal("Date", moment.parts[:3])


def to_moment(found: Value) -> Value | None:
    if isinstance(found, Temporal):
        return None if found.type == "Time" else Temporal("DateTime", found.parts, found.zone)
    return temporal.parse(found, "DateTime") if isinstance(found, str) else None


def to_time(found: Value) -> Value | None:
    if isinstance(found, Temporal):
        return found if found.type == "Time" else None
    return temporal.parse(found.removeprefix("T"), "Time") if isinstance(found, str) else None


def to_quantity(found: Value) -> Value | None:
    if isinstance(found, Amount):
        return found
    if isinstance(found, bool | int | Decimal):
        return Amount(Decimal(found))
    return amount.parse(found) if isinstance(found, str) else None


def _converter(name: str, convert: Callable[[Value], Value | None]) -> Apply:
    def run(scope: Scope, items: Collection, arguments: Sequence[Code]) -> Collection:
        return system.one(_converted(scope, items, arguments, name, convert))

    return run


def _checker(name: str, convert: Callable[[Value], Value | None]) -> Apply:
    def run(scope: Scope, items: Collection, arguments: Sequence[Code]) -> Collection:
        if not items:
            return EMPTY
        return boolean(bool(system.one(_converted(scope, items, arguments, name, convert))))

    return run


def _converted(
    scope: Scope,
    items: Collection,
    arguments: Sequence[Code],
    name: str,
    convert: Callable[[Value], Value | None],
) -> Value | None:
    node = system.single(items, f"`{name}()`")
    found = None if node is None else system.value(node)
    result = None if found is None else convert(found)
    unit = system.text(arguments[0](scope), f"`{name}()`") if arguments else None
    if unit is None or not isinstance(result, Amount):
        return result
    wanted = amount.word(unit) or unit
    number = amount.converted(result, wanted, scope.run.options.canonical)
    return None if number is None else Amount(number, wanted)


_CONVERSIONS: Final = (
    ("Boolean", to_boolean, 0),
    ("Integer", to_integer, 0),
    ("Decimal", to_decimal, 0),
    ("String", to_text, 0),
    ("Date", to_date, 0),
    ("DateTime", to_moment, 0),
    ("Time", to_time, 0),
    ("Quantity", to_quantity, 1),
)

FUNCTIONS: Final = (
    *(Function(f"to{n}", _converter(f"to{n}", c), 0, most) for n, c, most in _CONVERSIONS),
    *(
        Function(f"convertsTo{n}", _checker(f"convertsTo{n}", c), 0, most)
        for n, c, most in _CONVERSIONS
    ),
)
