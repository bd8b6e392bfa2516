"""An operation: a function with a name that starts with `$`, found by scan.

https://hl7.org/fhir/R4/operations.html
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from kernel import registry

if TYPE_CHECKING:
    from fhir_server.engine import Engine
    from fhir_server.model import Context

Level = Literal["system", "type", "instance"]


@dataclass(frozen=True, slots=True)
class Call:
    """What was asked: on which type and id ("" where the level has none), with which parameters.

    `values` are the parameters of a GET; `resource` is the body of a POST, a Parameters as a rule.
    """

    type: str = ""
    id: str = ""
    values: Sequence[tuple[str, str]] = ()
    resource: Mapping[str, Any] = field(default_factory=dict)

    @property
    def level(self) -> Level:
        if not self.type:
            return "system"
        return "instance" if self.id else "type"


Handler = Callable[["Engine", "Context", Call], Awaitable[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Operation:
    """A label on a handler. `name` is without `$`; no `types` means every type.

    One that `affects_state` is never run by a GET. `handler` authorises through the engine, as an
    interaction does: each operation's page says what it maps to.
    """

    name: str
    definition: str  # canonical URL of the OperationDefinition
    levels: frozenset[Level]
    handler: Handler
    types: frozenset[str] = frozenset()
    affects_state: bool = False

    def offered(self, call: Call) -> bool:
        """Return whether the operation is there at this level for this type."""
        return call.level in self.levels and (not self.types or call.type in self.types)


@cache
def operations() -> dict[str, Operation]:
    """Return all operations, by name."""
    return registry.scan("fhir_server.operations", Operation)
