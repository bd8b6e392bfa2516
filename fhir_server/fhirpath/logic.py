"""Three-valued logic: true, false, and empty.

https://hl7.org/fhirpath/N1/#boolean-logic
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from fhir_server.fhirpath.scope import Scope, Truth


def _and(left: Truth, right: Truth) -> Truth:
    def holds(scope: Scope) -> bool | None:
        one = left(scope)
        if one is False:
            return False
        other = right(scope)
        if other is False:
            return False
        return None if one is None or other is None else True

    return holds


def _or(left: Truth, right: Truth) -> Truth:
    def holds(scope: Scope) -> bool | None:
        one = left(scope)
        if one is True:
            return True
        other = right(scope)
        if other is True:
            return True
        return None if one is None or other is None else False

    return holds


def _xor(left: Truth, right: Truth) -> Truth:
    def holds(scope: Scope) -> bool | None:
        one, other = left(scope), right(scope)
        return None if one is None or other is None else one is not other

    return holds


def _implies(left: Truth, right: Truth) -> Truth:
    def holds(scope: Scope) -> bool | None:
        one = left(scope)
        if one is False:
            return True
        other = right(scope)
        if other is True or one is True:
            return other
        return None

    return holds


def negation(operand: Truth) -> Truth:
    """Return the opposite; empty stays empty."""

    def holds(scope: Scope) -> bool | None:
        one = operand(scope)
        return None if one is None else not one

    return holds


CONNECTIVES: Final[dict[str, Callable[[Truth, Truth], Truth]]] = {
    "and": _and,
    "or": _or,
    "xor": _xor,
    "implies": _implies,
}
