"""The operators on values: arithmetic, strings, order.

https://hl7.org/fhirpath/N1/#operations
"""

from __future__ import annotations

from decimal import Decimal, DecimalException
from typing import TYPE_CHECKING, Final

from fhir_server.fhirpath import amount, equality, system, temporal
from fhir_server.fhirpath.amount import ARITHMETIC, Amount
from fhir_server.fhirpath.node import EMPTY, boolean
from fhir_server.fhirpath.temporal import Temporal
from kernel.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Callable

    from fhir_server.fhirpath.node import Collection, Node
    from fhir_server.fhirpath.scope import Run
    from fhir_server.fhirpath.system import Value


_MEAN_WORDS: Final = {"a": "year", "mo": "month"}


def _pair(one: Collection, other: Collection, operator: str) -> tuple[Node, Node] | None:
    left = system.single(one, f"`{operator}`")
    right = system.single(other, f"`{operator}`")
    return None if left is None or right is None else (left, right)


def arithmetic(
    operator: str, apply: Callable[[Run, Value, Value], Value | None]
) -> Callable[[Run, Collection, Collection], Collection]:
    """Return an operator on two single values; empty if either is, or if there is no result."""

    def run(run: Run, one: Collection, other: Collection) -> Collection:
        pair = _pair(one, other, operator)
        if pair is None:
            return EMPTY
        left, right = (_operand(node) for node in pair)
        if left is None or right is None:
            return _without_value(operator, pair)
        try:
            return system.one(apply(run, left, right))
        except DecimalException:
            return EMPTY  # overflow, as the specification wants it
        except TypeError:
            raise _misplaced(operator, pair) from None

    return run


def _operand(node: Node) -> Value | None:
    """Return the value; in arithmetic an R4 quantity in `a` or `mo` is one of the calendar."""
    found = system.value(node)
    if isinstance(found, Amount) and isinstance(node.value, dict):
        return Amount(found.value, _MEAN_WORDS.get(found.unit, found.unit))
    return found


def _without_value(operator: str, pair: tuple[Node, Node]) -> Collection:
    if all(node.kind.primitive or node.kind.system for node in pair):
        return EMPTY  # a primitive with an extension in place of its value
    raise _misplaced(operator, pair)


def _misplaced(operator: str, pair: tuple[Node, Node]) -> Invalid:
    left, right = (node.type for node in pair)
    return Invalid(f"`{operator}` does not go between `{left}` and `{right}`.")


def _numbers(left: Value, right: Value) -> tuple[int | Decimal, int | Decimal]:
    if system.is_number(left) and system.is_number(right):
        return left, right
    raise TypeError


def _amounts(left: Value, right: Value) -> tuple[Amount, Amount] | None:
    """Return both as quantities if one of them is; a plain number is one of unit `1`."""
    if not isinstance(left, Amount) and not isinstance(right, Amount):
        return None
    one = left if isinstance(left, Amount) else Amount(Decimal(_numbers(left, left)[0]))
    other = right if isinstance(right, Amount) else Amount(Decimal(_numbers(right, right)[0]))
    return one, other


def _plus(run: Run, left: Value, right: Value) -> Value | None:
    if isinstance(left, str) and isinstance(right, str):
        return run.text(left + right)
    if isinstance(left, Temporal):
        return _moved(left, right, 1)
    return _sum(run, left, right, 1)


def _minus(run: Run, left: Value, right: Value) -> Value | None:
    if isinstance(left, Temporal):
        return _moved(left, right, -1)
    return _sum(run, left, right, -1)


def _sum(run: Run, left: Value, right: Value, sign: int) -> Value | None:
    if isinstance(left, Amount) and isinstance(right, Amount):
        added = amount.converted(right, left.unit, run.options.canonical)
        if added is None:
            return None
        return Amount(ARITHMETIC.add(left.value, sign * added), left.unit)
    one, other = _numbers(left, right)
    if isinstance(one, int) and isinstance(other, int):
        return one + sign * other
    return ARITHMETIC.add(Decimal(one), sign * Decimal(other))


def _moved(left: Temporal, right: Value, sign: int) -> Temporal | None:
    if not isinstance(right, Amount):
        raise TypeError
    unit = amount.calendar_unit(right.unit)
    if unit is None:
        raise Invalid(
            f"`{right.unit}` cannot be added to a {left.type}. Use a unit of the calendar, such as "
            f"`day` or `month`, or one of the UCUM units `wk`, `d`, `h`, `min`, `s`, `ms`."
        )
    return temporal.add(left, sign * right.value, unit)


def _times(_: Run, left: Value, right: Value) -> Value | None:
    amounts = _amounts(left, right)
    if amounts is not None:
        return amount.multiplied(*amounts)
    one, other = _numbers(left, right)
    if isinstance(one, int) and isinstance(other, int):
        return one * other
    return ARITHMETIC.multiply(Decimal(one), Decimal(other))


def _over(_: Run, left: Value, right: Value) -> Value | None:
    amounts = _amounts(left, right)
    if amounts is not None:
        return amount.divided(*amounts)
    one, other = _numbers(left, right)
    return ARITHMETIC.divide(Decimal(one), Decimal(other)) if other else None


def _div(_: Run, left: Value, right: Value) -> Value | None:
    one, other = _numbers(left, right)
    if not other:
        return None
    return int(ARITHMETIC.divide_int(Decimal(one), Decimal(other)))


def _mod(_: Run, left: Value, right: Value) -> Value | None:
    one, other = _numbers(left, right)
    if not other:
        return None
    rest = ARITHMETIC.remainder(Decimal(one), Decimal(other))
    return int(rest) if isinstance(one, int) and isinstance(other, int) else rest


def concatenate(run: Run, one: Collection, other: Collection) -> Collection:
    """Join two strings; an empty side is an empty string."""
    left, right = system.text(one, "`&`"), system.text(other, "`&`")
    return system.one(run.text((left or "") + (right or "")))


def ordering(
    operator: str, holds: Callable[[int], bool]
) -> Callable[[Run, Collection, Collection], Collection]:
    """Return an operator that compares two single values."""

    def run(run: Run, one: Collection, other: Collection) -> Collection:
        pair = _pair(one, other, operator)
        if pair is None:
            return EMPTY
        order = equality.compare(run, *pair)
        return EMPTY if order is None else boolean(holds(order))

    return run


def equals(run: Run, one: Collection, other: Collection) -> Collection:
    return boolean(equality.equal(run, one, other))


def differs(run: Run, one: Collection, other: Collection) -> Collection:
    same = equality.equal(run, one, other)
    return EMPTY if same is None else boolean(not same)


def is_equivalent(run: Run, one: Collection, other: Collection) -> Collection:
    return boolean(equality.equivalent(run, one, other))


def is_not_equivalent(run: Run, one: Collection, other: Collection) -> Collection:
    return boolean(not equality.equivalent(run, one, other))


def is_in(run: Run, one: Collection, other: Collection) -> Collection:
    node = system.single(one, "`in`")
    if node is None:
        return EMPTY
    return boolean(any(equality.equal_items(run, node, item) for item in other))


def contains(run: Run, one: Collection, other: Collection) -> Collection:
    node = system.single(other, "`contains`")
    if node is None:
        return EMPTY
    return boolean(any(equality.equal_items(run, node, item) for item in one))


def union(run: Run, one: Collection, other: Collection) -> Collection:
    run.charge(len(one) + len(other))
    return equality.distinct(run, one + other)


def negative(one: Collection, operator: str) -> Collection:
    """Return the number or quantity with its sign.

    Raises:
        Invalid: it is neither.
    """
    node = system.single(one, f"The sign `{operator}`")
    found = None if node is None else system.value(node)
    if node is None or (found is None and node.kind.system):
        return EMPTY
    sign = -1 if operator == "-" else 1
    if isinstance(found, Amount):
        return system.one(Amount(found.value * sign, found.unit))
    if system.is_number(found):
        return system.one(found * sign)
    raise Invalid(f"The sign `{operator}` goes before a number, and this is a `{node.type}`.")


OPERATORS: Final[dict[str, Callable[[Run, Collection, Collection], Collection]]] = {
    "+": arithmetic("+", _plus),
    "-": arithmetic("-", _minus),
    "*": arithmetic("*", _times),
    "/": arithmetic("/", _over),
    "div": arithmetic("div", _div),
    "mod": arithmetic("mod", _mod),
    "&": concatenate,
    "<": ordering("<", lambda order: order < 0),
    "<=": ordering("<=", lambda order: order <= 0),
    ">": ordering(">", lambda order: order > 0),
    ">=": ordering(">=", lambda order: order >= 0),
    "=": equals,
    "!=": differs,
    "~": is_equivalent,
    "!~": is_not_equivalent,
    "in": is_in,
    "contains": contains,
    "|": union,
}
