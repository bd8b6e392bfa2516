"""A function of the language: its name, how many arguments it takes, and what it does.

https://hl7.org/fhirpath/N1/#functions
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fhir_server.fhirpath.node import EMPTY
from fhir_server.fhirpath.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fhir_server.fhirpath.node import Collection, Node
    from fhir_server.fhirpath.scope import Code

Apply = Callable[[Scope, "Collection", Sequence["Code"]], "Collection"]


@dataclass(frozen=True, slots=True)
class Function:
    """A function. It evaluates its arguments itself: on each item, once, or not at all.

    `ordered` says that the order of its input matters to it.
    """

    name: str
    apply: Apply
    least: int = 0
    most: int = 0
    ordered: bool = False


def each(scope: Scope, items: Collection, code: Code) -> Iterator[tuple[Node, Collection]]:
    """Yield each item with what `code` is for it: `$this` is the item, `$index` its place."""
    run = scope.run
    inner = Scope(run, EMPTY, None, scope.total)
    for index, item in enumerate(items):
        run.charge(1)
        inner.this = [item]
        inner.index = index
        yield item, code(inner)
