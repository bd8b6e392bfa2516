"""What R4 adds to the language.

https://hl7.org/fhir/R4/fhirpath.html#functions
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fhir_server import tables
from fhir_server.fhirpath import resolution, system, xhtml
from fhir_server.fhirpath.function import Function
from fhir_server.fhirpath.kinds import TypeName
from fhir_server.fhirpath.node import EMPTY, Node, boolean, step
from kernel.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_server.fhirpath.node import Collection
    from fhir_server.fhirpath.scope import Code, Scope

_DEFINITIONS: Final = "http://hl7.org/fhir/StructureDefinition/"


def _extension(scope: Scope, items: Collection, arguments: Sequence[Code]) -> Collection:
    url = system.text(arguments[0](scope), "`extension()`")
    found: Collection = []
    for node in items:
        step(node, "extension", found)
    return [node for node in found if _member(node, "url") == url] if url is not None else EMPTY


def _has_extension(scope: Scope, items: Collection, arguments: Sequence[Code]) -> Collection:
    """Later than R4, and yet R4's own examples use it."""
    return boolean(bool(_extension(scope, items, arguments)))


def _member(node: Node, name: str) -> Any:
    return node.value.get(name) if isinstance(node.value, dict) else None


def _has_value(node: Node) -> bool:
    return node.kind.primitive and node.value is not None


def _has_one_value(_: Scope, items: Collection, __: Sequence[Code]) -> Collection:
    return boolean(len(items) == 1 and _has_value(items[0]))


def _get_value(_: Scope, items: Collection, __: Sequence[Code]) -> Collection:
    if len(items) != 1 or not _has_value(items[0]):
        return EMPTY
    return system.one(system.value(items[0]))


def _resolve(scope: Scope, items: Collection, _: Sequence[Code]) -> Collection:
    found = [resolution.resolved(scope.run, node) for node in items]
    return [node for node in found if node is not None]


def _member_of(scope: Scope, items: Collection, arguments: Sequence[Code]) -> Collection:
    node = system.single(items, "`memberOf()`")
    url = system.text(arguments[0](scope), "`memberOf()`")
    if node is None or url is None:
        return EMPTY
    ask = scope.run.member_of
    if ask is None:
        raise Invalid("`memberOf()` needs a terminology service, and there is none here.")
    return boolean(ask(node.value, url))


def _conforms_to(scope: Scope, items: Collection, arguments: Sequence[Code]) -> Collection:
    """Answer for R4's own definitions; profiles are the caller's to know."""
    node = system.single(items, "`conformsTo()`")
    url = system.text(arguments[0](scope), "`conformsTo()`")
    if node is None or url is None:
        return EMPTY
    name = url.removeprefix(_DEFINITIONS)
    if name != url and tables.exists(name) and "." not in name:
        return boolean(TypeName("FHIR", name).covers(node.kind))
    ask = scope.run.conforms_to
    found = ask(node.value, url) if ask is not None and isinstance(node.value, dict) else None
    if found is None:
        raise Invalid(f"`conformsTo()`: the profile `{url[:200]}` is not known here.")
    return boolean(found)


def _check_modifiers(scope: Scope, items: Collection, arguments: Sequence[Code]) -> Collection:
    """Return the input if its modifier extensions are all among those that are named."""
    known = {system.text(code(scope), "`checkModifiers()`") for code in arguments}
    found: Collection = []
    for node in items:
        step(node, "modifierExtension", found)
    for node in found:
        if _member(node, "url") not in known:
            raise Invalid(f"{system.where([node])} is a modifier extension that is not understood.")
    return items


def _html_checks(_: Scope, items: Collection, __: Sequence[Code]) -> Collection:
    node = system.single(items, "`htmlChecks()`")
    if node is None:
        return EMPTY
    return boolean(isinstance(node.value, str) and xhtml.is_narrative(node.value))


FUNCTIONS: Final = (
    Function("extension", _extension, 1, 1),
    Function("hasExtension", _has_extension, 1, 1),
    Function("hasValue", _has_one_value),
    Function("getValue", _get_value),
    Function("resolve", _resolve),
    Function("memberOf", _member_of, 1, 1),
    Function("conformsTo", _conforms_to, 1, 1),
    Function("checkModifiers", _check_modifiers, 0, 64),
    Function("htmlChecks", _html_checks),
)
