"""When two items are equal, equivalent, or one before the other.

https://hl7.org/fhirpath/N1/#equality
"""

from __future__ import annotations

from collections.abc import Hashable
from decimal import Decimal
from typing import TYPE_CHECKING

from fhir_server.fhirpath import amount, system, temporal
from fhir_server.fhirpath.amount import Amount
from fhir_server.fhirpath.node import children
from fhir_server.fhirpath.temporal import Temporal
from kernel.errors import Invalid

if TYPE_CHECKING:
    from fhir_server.fhirpath.node import Collection, Node
    from fhir_server.fhirpath.scope import Run
    from fhir_server.fhirpath.system import Value


def key(run: Run, node: Node) -> Hashable:
    """Return what is the same for items that are equal: this makes unions linear."""
    run.charge(1)
    found = system.value(node)
    if found is None:
        if node.kind.primitive and node.value is not None:
            return ("malformed", repr(node.value))
        below = [(child.name, key(run, child)) for child in children(node)]
        return (node.type if not below else "", tuple(below))
    if isinstance(found, bool):
        return ("boolean", found)
    if isinstance(found, int | Decimal):
        return ("number", found)
    if isinstance(found, Amount):
        return _amount_key(run, found)
    if isinstance(found, Temporal):
        return _temporal_key(found)
    return found


def _amount_key(run: Run, found: Amount) -> Hashable:
    number, unit = amount.based(found, run.options.canonical) or (found.value, found.unit)
    return ("quantity", unit, number)


def _temporal_key(found: Temporal) -> Hashable:
    zone = found.offset
    if zone is None or len(found.parts) < 5:
        return (found.type == "Time", found.parts, zone)
    return (temporal.minutes(found), found.parts[5:])


def equal(run: Run, one: Collection, other: Collection) -> bool | None:
    """Return whether collections are equal, in order; None if one is empty, or it is open."""
    if not one or not other:
        return None
    if len(one) != len(other):
        return False
    result: bool | None = True
    for left, right in zip(one, other, strict=True):
        same = equal_items(run, left, right)
        if same is False:
            return False
        if same is None:
            result = None
    return result


def equal_items(run: Run, left: Node, right: Node) -> bool | None:
    run.charge(1)
    one, other = system.value(left), system.value(right)
    if one is None or other is None:
        return one is other is None and key(run, left) == key(run, right)
    if isinstance(one, Temporal) and isinstance(other, Temporal):
        if (one.type == "Time") != (other.type == "Time"):
            return False
        order = temporal.compare(one, other)
        return None if order is None else order == 0
    if isinstance(one, Amount) or isinstance(other, Amount):
        return _equal_amounts(run, _as_amount(one), _as_amount(other))
    if isinstance(one, bool) != isinstance(other, bool):
        return False
    return one == other


def _as_amount(found: Value) -> Amount | None:
    if isinstance(found, Amount):
        return found
    return Amount(Decimal(found)) if system.is_number(found) else None


def _equal_amounts(run: Run, one: Amount | None, other: Amount | None) -> bool | None:
    if one is None or other is None:
        return False
    both = amount.aligned(one, other, run.options.canonical)
    if both is not None:
        return both[0] == both[1]
    mean = {one.unit, other.unit} & {"a", "mo"} and {one.unit, other.unit} & {*amount.WORDS}
    return None if mean else False


def equivalent(run: Run, one: Collection, other: Collection) -> bool:
    """Return whether collections hold equivalent items, in any order."""
    if len(one) != len(other):
        return False
    rest = list(other)
    for left in one:
        found = next((at for at, right in enumerate(rest) if alike(run, left, right)), None)
        if found is None:
            return False
        del rest[found]
    return True


def alike(run: Run, left: Node, right: Node) -> bool:
    """Return whether two items are equivalent."""
    run.charge(1)
    one, other = system.value(left), system.value(right)
    if one is None or other is None:
        return one is other is None and _alike_below(run, left, right)
    if isinstance(one, str) and isinstance(other, str):
        run.charge((len(one) + len(other)) >> 6)
        return _plain(one) == _plain(other)
    if isinstance(one, Temporal) and isinstance(other, Temporal):
        return (one.type == "Time") == (other.type == "Time") and temporal.compare(one, other) == 0
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, Amount) or isinstance(other, Amount):
        return _alike_amounts(run, _as_amount(one), _as_amount(other))
    if isinstance(one, int | Decimal) and isinstance(other, int | Decimal):
        return amount.alike(Decimal(one), Decimal(other))
    return False


def _plain(text: str) -> str:
    """Return a string without what equivalence ignores: case and the kind of white space."""
    return " ".join(text.casefold().split())


def _alike_below(run: Run, left: Node, right: Node) -> bool:
    if left.kind.primitive and left.value is not None:
        return bool(left.value == right.value)
    return equivalent_members(run, children(left), children(right))


def equivalent_members(run: Run, one: Collection, other: Collection) -> bool:
    names = {node.name for node in one}
    if names != {node.name for node in other}:
        return False
    return all(
        equivalent(run, [n for n in one if n.name == name], [n for n in other if n.name == name])
        for name in names
    )


def _alike_amounts(run: Run, one: Amount | None, other: Amount | None) -> bool:
    if one is None or other is None:
        return False
    left, right = amount.equivalent_units(one), amount.equivalent_units(other)
    same = amount.converted(right, left.unit, run.options.canonical)
    return same is not None and amount.alike(left.value, same)


def compare(run: Run, left: Node, right: Node) -> int | None:
    """Return -1, 0 or 1; None if precision, time zone or unit leave it open.

    Raises:
        Invalid: the items have no order between them.
    """
    one, other = system.value(left), system.value(right)
    if isinstance(one, str) and isinstance(other, str):
        return (one > other) - (one < other)
    if isinstance(one, Temporal) and isinstance(other, Temporal):
        if (one.type == "Time") == (other.type == "Time"):
            return temporal.compare(one, other)
    elif isinstance(one, Amount) or isinstance(other, Amount):
        return _compare_amounts(run, left, right)
    elif system.is_number(one) and system.is_number(other):
        return (one > other) - (one < other)
    elif (one is None and left.kind.primitive) or (other is None and right.kind.primitive):
        return None
    raise Invalid(
        f"`{left.type}` and `{right.type}` have no order between them. Compare what is of one type."
    )


def _compare_amounts(run: Run, left: Node, right: Node) -> int | None:
    one, other = system.value(left), system.value(right)
    first = None if one is None else _as_amount(one)
    second = None if other is None else _as_amount(other)
    if first is None or second is None:
        if (one is None) or (other is None):
            return None
        raise Invalid(f"`{left.type}` and `{right.type}` have no order between them.")
    both = amount.aligned(first, second, run.options.canonical)
    return None if both is None else (both[0] > both[1]) - (both[0] < both[1])


def distinct(run: Run, collection: Collection) -> Collection:
    """Return the items without those that are equal to an earlier one."""
    if len(collection) < 2:
        return collection
    seen: dict[Hashable, Node] = {}
    for node in collection:
        seen.setdefault(key(run, node), node)
    return list(seen.values())
