"""What type an item is of.

https://hl7.org/fhirpath/N1/#types-and-reflection
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from fhir_server.fhirpath import kinds, system
from fhir_server.fhirpath.function import Function
from fhir_server.fhirpath.node import EMPTY, Node, boolean
from fhir_server.fhirpath.scope import Scope

if TYPE_CHECKING:
    from fhir_server.fhirpath.kinds import Kind, TypeName
    from fhir_server.fhirpath.node import Collection
    from fhir_server.fhirpath.scope import Code

TypeFunction = Callable[[Scope, "Collection"], "Collection"]

_INFO: Final = kinds.system("TypeInfo")


def is_type(type: TypeName) -> TypeFunction:
    """Return `is`: whether the one item is of the type, or of one derived from it."""

    def run(_: Scope, items: Collection) -> Collection:
        node = system.single(items, "`is`")
        return EMPTY if node is None else boolean(type.covers(node.kind))

    return run


def as_type(type: TypeName) -> TypeFunction:
    """Return `as`: the one item if it is of the type."""

    def run(scope: Scope, items: Collection) -> Collection:
        if not scope.run.options.forgiving:
            system.single(items, "`as`")
        return [node for node in items if type.admits(node.kind)]

    return run


def of_type(type: TypeName) -> TypeFunction:
    """Return `ofType()`: the items that are of the type."""

    def run(_: Scope, items: Collection) -> Collection:
        return [node for node in items if type.admits(node.kind)]

    return run


def _type(_: Scope, items: Collection, __: Sequence[Code]) -> Collection:
    return [Node(_information(node.kind), _INFO) for node in items]


def _information(kind: Kind) -> dict[str, str]:
    parent = kind.parent
    base = f"{kind.namespace}.{parent}" if parent else "System.Any"
    return {"namespace": kind.namespace, "name": kind.name, "baseType": base}


FUNCTIONS: Final = (
    Function("type", _type),
    # `is`, `as` and `ofType` take a type and no expression: the compiler makes them, and these
    # say how many arguments there are.
    Function("is", _type, 1, 1),
    Function("as", _type, 1, 1),
    Function("ofType", _type, 1, 1),
)
