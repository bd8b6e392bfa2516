"""Choosing, projecting, combining and ordering items.

https://hl7.org/fhirpath/N1/#filtering-and-projection
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cmp_to_key
from typing import TYPE_CHECKING, Final

from fhir_server.fhirpath import equality, operators, system
from fhir_server.fhirpath.function import Function, each
from fhir_server.fhirpath.node import EMPTY
from fhir_server.fhirpath.scope import Scope
from kernel.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Hashable

    from fhir_server.fhirpath.node import Collection, Node
    from fhir_server.fhirpath.scope import Code

Row = tuple["Node", list["Node | None"]]
"""An item, and its keys."""


def _where(scope: Scope, items: Collection, arguments: Sequence[Code]) -> Collection:
    found = each(scope, items, arguments[0])
    return [item for item, criteria in found if system.truth(criteria, "`where()`")]


def _select(scope: Scope, items: Collection, arguments: Sequence[Code]) -> Collection:
    out: Collection = []
    for _, found in each(scope, items, arguments[0]):
        scope.run.charge(len(found))
        out.extend(found)
    return out


def _repeat(scope: Scope, items: Collection, arguments: Sequence[Code]) -> Collection:
    """Return what the projection finds, and what it finds in that, each item once."""
    seen: dict[Hashable, Node] = {}
    todo = items
    while todo:
        scope.run.charge(4)
        fresh: Collection = []
        for _, found in each(scope, todo, arguments[0]):
            for node in found:
                key = _identity(scope, node)
                if key not in seen:
                    seen[key] = node
                    fresh.append(node)
        todo = fresh
    return list(seen.values())


def _identity(scope: Scope, node: Node) -> Hashable:
    """Return what an item is known by: where it is, or what it is if it was computed."""
    if node.parent is None:
        return equality.key(scope.run, node)
    scope.run.charge(1)
    return (id(node.parent.value), node.name, node.index)


def _aggregate(scope: Scope, items: Collection, arguments: Sequence[Code]) -> Collection:
    run = scope.run
    inner = Scope(run, EMPTY, None, arguments[1](scope) if len(arguments) > 1 else EMPTY)
    for index, item in enumerate(items):
        inner.this, inner.index = [item], index
        inner.total = arguments[0](inner)
        run.charge(1 + len(inner.total))
    return inner.total


def _iif(scope: Scope, items: Collection, arguments: Sequence[Code]) -> Collection:
    """Evaluate only what is chosen. As a method its focus is its one item."""
    inner = scope
    if items is not scope.this:
        system.single(items, "`iif()`")
        inner = Scope(scope.run, items, scope.index, scope.total)
    criterion = system.single(arguments[0](inner), "The criterion of `iif()`")
    if criterion is not None and criterion.kind.system != "Boolean":
        raise Invalid(f"The criterion of `iif()` is a boolean, and this is a `{criterion.type}`.")
    if criterion is not None and criterion.value is True:
        return arguments[1](inner)
    return arguments[2](inner) if len(arguments) > 2 else EMPTY


def _single(_: Scope, items: Collection, __: Sequence[Code]) -> Collection:
    node = system.single(items, "`single()`")
    return EMPTY if node is None else [node]


def _first(_: Scope, items: Collection, __: Sequence[Code]) -> Collection:
    return items[:1]


def _last(_: Scope, items: Collection, __: Sequence[Code]) -> Collection:
    return items[-1:]


def _tail(_: Scope, items: Collection, __: Sequence[Code]) -> Collection:
    return items[1:]


def _skip(scope: Scope, items: Collection, arguments: Sequence[Code]) -> Collection:
    count = system.whole(arguments[0](scope), "`skip()`")
    return EMPTY if count is None else items[max(count, 0) :]


def _take(scope: Scope, items: Collection, arguments: Sequence[Code]) -> Collection:
    count = system.whole(arguments[0](scope), "`take()`")
    return EMPTY if count is None else items[: max(count, 0)]


def _intersect(scope: Scope, items: Collection, arguments: Sequence[Code]) -> Collection:
    run = scope.run
    wanted = {equality.key(run, node) for node in arguments[0](scope)}
    found = equality.distinct(run, items)
    return [node for node in found if equality.key(run, node) in wanted]


def _exclude(scope: Scope, items: Collection, arguments: Sequence[Code]) -> Collection:
    run = scope.run
    unwanted = {equality.key(run, node) for node in arguments[0](scope)}
    return [node for node in items if equality.key(run, node) not in unwanted]


def _union(scope: Scope, items: Collection, arguments: Sequence[Code]) -> Collection:
    return operators.union(scope.run, items, arguments[0](scope))


def _combine(scope: Scope, items: Collection, arguments: Sequence[Code]) -> Collection:
    return items + arguments[0](scope)


def sorted_by(keys: Sequence[tuple[Code, bool]]) -> Callable[[Scope, Collection], Collection]:
    """Return `sort()`: by each key, falling where it says so; items without a key come first.

    https://hl7.org/fhirpath/#sort
    """
    directed = list(keys) or [((lambda scope: scope.this), False)]

    def run(scope: Scope, items: Collection) -> Collection:
        rows: list[Row] = [(item, []) for item in items]
        for code, _ in directed:
            for row, (_, found) in zip(rows, each(scope, items, code), strict=True):
                row[1].append(system.single(found, "A key of `sort()`"))

        def order(left: Row, right: Row) -> int:
            for (_, falls), one, other in zip(directed, left[1], right[1], strict=True):
                way = _order(scope, one, other, falls)
                if way:
                    return way
            return 0

        return [item for item, _ in sorted(rows, key=cmp_to_key(order))]

    return run


def _order(scope: Scope, one: Node | None, other: Node | None, falls: bool) -> int:
    scope.run.charge(1)
    if one is None or other is None:
        return (one is not None) - (other is not None)
    way = equality.compare(scope.run, one, other) or 0
    return -way if falls else way


FUNCTIONS: Final = (
    Function("where", _where, 1, 1),
    Function("select", _select, 1, 1),
    Function("repeat", _repeat, 1, 1),
    Function("aggregate", _aggregate, 1, 2),
    Function("iif", _iif, 2, 3),
    Function("single", _single),
    Function("first", _first, ordered=True),
    Function("last", _last, ordered=True),
    Function("tail", _tail, ordered=True),
    Function("skip", _skip, 1, 1, ordered=True),
    Function("take", _take, 1, 1, ordered=True),
    Function("intersect", _intersect, 1, 1),
    Function("exclude", _exclude, 1, 1),
    Function("union", _union, 1, 1),
    Function("combine", _combine, 1, 1),
)
