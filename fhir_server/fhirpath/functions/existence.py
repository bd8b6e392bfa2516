"""Whether items are there, and how many.

https://hl7.org/fhirpath/N1/#existence
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fhir_server.fhirpath import equality, system
from fhir_server.fhirpath.function import Function, each
from fhir_server.fhirpath.node import boolean, integer
from kernel.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fhir_server.fhirpath.function import Apply
    from fhir_server.fhirpath.node import Collection
    from fhir_server.fhirpath.scope import Code, Scope


def _empty(_: Scope, items: Collection, __: Sequence[Code]) -> Collection:
    return boolean(not items)


def _exists(scope: Scope, items: Collection, arguments: Sequence[Code]) -> Collection:
    if not arguments:
        return boolean(bool(items))
    return boolean(
        any(system.truth(found, "`exists()`") for _, found in each(scope, items, arguments[0]))
    )


def _all(scope: Scope, items: Collection, arguments: Sequence[Code]) -> Collection:
    return boolean(
        all(system.truth(found, "`all()`") for _, found in each(scope, items, arguments[0]))
    )


def _booleans(name: str, judge: Callable[[list[bool]], bool]) -> Apply:
    def run(_: Scope, items: Collection, __: Sequence[Code]) -> Collection:
        for node in items:
            if node.kind.system != "Boolean":
                raise Invalid(
                    f"`{name}()` takes booleans, and {system.where([node])} is a `{node.type}`."
                )
        return boolean(judge([node.value for node in items if isinstance(node.value, bool)]))

    return run


def _not(_: Scope, items: Collection, __: Sequence[Code]) -> Collection:
    found = system.truth(items, "`not()`")
    return boolean(None if found is None else not found)


def _subset(scope: Scope, items: Collection, arguments: Sequence[Code]) -> Collection:
    return boolean(_within(scope, items, arguments[0](scope)))


def _superset(scope: Scope, items: Collection, arguments: Sequence[Code]) -> Collection:
    return boolean(_within(scope, arguments[0](scope), items))


def _within(scope: Scope, few: Collection, many: Collection) -> bool:
    known = {equality.key(scope.run, node) for node in many}
    return all(equality.key(scope.run, node) in known for node in few)


def _count(_: Scope, items: Collection, __: Sequence[Code]) -> Collection:
    return integer(len(items))


def _distinct(scope: Scope, items: Collection, _: Sequence[Code]) -> Collection:
    return equality.distinct(scope.run, items)


def _is_distinct(scope: Scope, items: Collection, _: Sequence[Code]) -> Collection:
    return boolean(len(equality.distinct(scope.run, items)) == len(items))


FUNCTIONS: Final = (
    Function("empty", _empty),
    Function("exists", _exists, 0, 1),
    Function("all", _all, 1, 1),
    Function("allTrue", _booleans("allTrue", all)),
    Function("anyTrue", _booleans("anyTrue", any)),
    Function("allFalse", _booleans("allFalse", lambda values: not any(values))),
    Function("anyFalse", _booleans("anyFalse", lambda values: not all(values))),
    Function("not", _not),
    Function("subsetOf", _subset, 1, 1),
    Function("supersetOf", _superset, 1, 1),
    Function("count", _count),
    Function("distinct", _distinct),
    Function("isDistinct", _is_distinct),
)
