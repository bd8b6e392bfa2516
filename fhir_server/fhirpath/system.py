"""Values: what a node is to an operator or a function, and the node of a computed value.

https://hl7.org/fhir/R4/fhirpath.html#types
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from fhir_server.fhirpath import kinds, temporal
from fhir_server.fhirpath.amount import WORDS, Amount
from fhir_server.fhirpath.node import EMPTY, Node
from fhir_server.fhirpath.temporal import Temporal
from kernel.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Callable

    from fhir_server.fhirpath.node import Collection

UCUM: Final = "http://unitsofmeasure.org"

Value = bool | int | Decimal | str | Temporal | Amount


def value(node: Node) -> Value | None:
    """Return the System value of a node; None if it has none, or it is not of its type's form."""
    read = _READERS.get(node.kind.system)
    return None if read is None else read(node.value)


def _boolean(given: Any) -> Value | None:
    return given if given.__class__ is bool else None


def _integer(given: Any) -> Value | None:
    return given if given.__class__ is int else None


def _decimal(given: Any) -> Value | None:
    if given.__class__ is Decimal:
        return given
    if isinstance(given, bool) or not isinstance(given, int | float):
        return None
    return Decimal(str(given))


def _string(given: Any) -> Value | None:
    return given if given.__class__ is str else None


def _date(given: Any) -> Value | None:
    return temporal.parse(given, "Date") if isinstance(given, str) else _made(given, Temporal)


def _moment(given: Any) -> Value | None:
    return temporal.parse(given, "DateTime") if isinstance(given, str) else _made(given, Temporal)


def _time(given: Any) -> Value | None:
    return temporal.parse(given, "Time") if isinstance(given, str) else _made(given, Temporal)


def _made(given: Any, type: type[Temporal] | type[Amount]) -> Value | None:
    return given if isinstance(given, type) else None


def _quantity(given: Any) -> Value | None:
    """A comparator makes a quantity an interval, which has no one value."""
    if not isinstance(given, dict):
        return _made(given, Amount)
    number = _decimal(given.get("value"))
    if not isinstance(number, Decimal) or given.get("comparator") is not None:
        return None
    code = given.get("code") if given.get("system") == UCUM else given.get("unit")
    return Amount(number, code if isinstance(code, str) and code else "1")


_READERS: Final[dict[str, Callable[[Any], Value | None]]] = {
    "Boolean": _boolean,
    "Integer": _integer,
    "Decimal": _decimal,
    "String": _string,
    "Date": _date,
    "DateTime": _moment,
    "Time": _time,
    "Quantity": _quantity,
}

_KINDS: Final = {
    bool: kinds.system("Boolean"),
    int: kinds.system("Integer"),
    Decimal: kinds.system("Decimal"),
    str: kinds.system("String"),
    Amount: kinds.system("Quantity"),
}

_LARGEST: Final = 2**31


def is_number(found: Value | None) -> TypeGuard[int | Decimal]:
    """Return whether a value is an Integer or a Decimal; Python takes a bool for a number."""
    return isinstance(found, int | Decimal) and not isinstance(found, bool)


def item(computed: Value) -> Node:
    """Return the node of a computed value."""
    if isinstance(computed, Temporal):
        return Node(computed, kinds.system(computed.type))
    return Node(computed, _KINDS[computed.__class__])


def one(computed: Value | None) -> Collection:
    """Return a collection of one value; empty for None, and for an Integer beyond 32 bits."""
    if computed is None:
        return EMPTY
    if computed.__class__ is int and not -_LARGEST <= computed < _LARGEST:
        return EMPTY
    return [item(computed)]


def single(collection: Collection, what: str) -> Node | None:
    """Return the only item, None of an empty collection.

    Raises:
        Invalid: there are several.
    """
    if not collection:
        return None
    if len(collection) > 1:
        raise Invalid(
            f"{what} takes one item, and {len(collection)} are there: {where(collection)}."
        )
    return collection[0]


def where(collection: Collection) -> str:
    """Return where the first items are, or what they are, for a sentence; never their values."""
    return ", ".join(f"`{node.path or node.type}`" for node in collection[:3])


def text(collection: Collection, what: str) -> str | None:
    """Return the only item as a string.

    Raises:
        Invalid: there are several, or it is no string.
    """
    node = single(collection, what)
    found = None if node is None else value(node)
    if node is None or (found is None and node.kind.primitive):
        return None
    if not isinstance(found, str):
        raise Invalid(f"{what} takes a string, and {where([node])} is of type `{node.type}`.")
    return found


def whole(collection: Collection, what: str) -> int | None:
    """Return the only item as an integer.

    Raises:
        Invalid: there are several, or it is no integer.
    """
    node = single(collection, what)
    found = None if node is None else value(node)
    if node is None or (found is None and node.kind.primitive):
        return None
    if not isinstance(found, int) or isinstance(found, bool):
        raise Invalid(f"{what} takes an integer, and {where([node])} is of type `{node.type}`.")
    return found


def truth(collection: Collection, what: str = "A boolean expression") -> bool | None:
    """Return the only item as a truth: a boolean itself, and any other item that is there is true.

    https://hl7.org/fhirpath/N1/#singleton-evaluation-of-collections
    """
    if not collection:
        return None
    if len(collection) > 1:
        single(collection, what)
    node = collection[0]
    if node.kind.system == "Boolean":
        return node.value if node.value.__class__ is bool else None
    return True


def written(found: Value) -> str:
    """Return a value as `toString()` writes it."""
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(found, Decimal):
        return format(found, "f")
    if isinstance(found, Amount):
        return str(Amount(Decimal(format(found.value, "f")), found.unit))
    return str(found)


def plain(node: Node) -> Any:
    """Return a node's value as FHIR JSON has it: computed dates are text, quantities are objects."""
    found = node.value
    if isinstance(found, Temporal):
        return str(found)
    if not isinstance(found, Amount):
        return found
    coded = {"unit": found.unit}
    if found.unit not in WORDS:
        coded = {"unit": found.unit, "system": UCUM, "code": found.unit}
    return {"value": found.value, **coded}
