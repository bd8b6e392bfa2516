"""Walking the tree.

https://hl7.org/fhirpath/N1/#tree-navigation
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fhir_server.fhirpath.function import Function
from fhir_server.fhirpath.node import children

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_server.fhirpath.node import Collection
    from fhir_server.fhirpath.scope import Code, Run, Scope


def _below(run: Run, items: Collection) -> Collection:
    found: Collection = []
    for node in items:
        own = children(node)
        run.charge(1 + len(own))
        found.extend(own)
    return found


def _children(scope: Scope, items: Collection, _: Sequence[Code]) -> Collection:
    return _below(scope.run, items)


def _descendants(scope: Scope, items: Collection, _: Sequence[Code]) -> Collection:
    found: Collection = []
    row = items
    while row := _below(scope.run, row):
        found.extend(row)
    return found


def _trace(scope: Scope, items: Collection, arguments: Sequence[Code]) -> Collection:
    """Nothing is written: what an expression sees may be a patient's."""
    return items


FUNCTIONS: Final = (
    Function("children", _children),
    Function("descendants", _descendants),
    Function("trace", _trace, 1, 2),
)
