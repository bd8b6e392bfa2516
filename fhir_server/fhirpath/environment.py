"""The variables that R4 defines, and the caller's own.

https://hl7.org/fhir/R4/fhirpath.html#variables
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from fhir_server.fhirpath import system
from fhir_server.fhirpath.node import EMPTY, Node, enclosing, root, string
from kernel.errors import BadValue

if TYPE_CHECKING:
    from collections.abc import Callable

    from fhir_server.fhirpath.node import Collection
    from fhir_server.fhirpath.scope import Code, Run, Scope

_CONSTANTS: Final = {
    "ucum": system.UCUM,
    "sct": "http://snomed.info/sct",
    "loinc": "http://loinc.org",
}
_PREFIXES: Final = {
    "vs-": "http://hl7.org/fhir/ValueSet/",
    "ext-": "http://hl7.org/fhir/StructureDefinition/",
}


def variable(name: str) -> Code:
    """Return the code of `%name`; what a caller defines comes after what R4 defines."""
    constant = _CONSTANTS.get(name)
    for prefix, url in _PREFIXES.items():
        if name.startswith(prefix):
            constant = url + name.removeprefix(prefix)
    if constant is not None:
        text = string(constant)
        return lambda _: text
    found = _CONTEXTUAL.get(name)
    if found is not None:
        return lambda scope: found(scope.run)

    def given(scope: Scope) -> Collection:
        variables = scope.run.variables
        if name not in variables:
            raise BadValue(f"The variable `%{name[:60]}` is not defined here.")
        return collection(variables[name])

    return given


def _context(run: Run) -> Collection:
    return [run.context]


def _resource(run: Run) -> Collection:
    """The resource that the context is in."""
    return next(([node] for node in enclosing(run.context)), EMPTY)


def _root_resource(run: Run) -> Collection:
    """The same, or the one that contains it; an entry of a Bundle is on its own."""
    for node in enclosing(run.context):
        if node.name != "contained":
            return [node]
    return EMPTY


_CONTEXTUAL: Final[dict[str, Callable[[Run], Collection]]] = {
    "context": _context,
    "resource": _resource,
    "rootResource": _root_resource,
}


def collection(given: Any) -> Collection:
    """Return what a caller gave a variable as a collection: nodes, values, resources, or a list.

    Raises:
        BadValue: it is none of these.
    """
    if given is None:
        return EMPTY
    if isinstance(given, list | tuple):
        return [node for item in given for node in collection(item)]
    if isinstance(given, Node):
        return [given]
    if isinstance(given, Mapping):
        return [root(given)]
    try:
        return [system.item(given)]
    except KeyError:
        raise BadValue(f"A variable cannot be a `{type(given).__name__}`.") from None
