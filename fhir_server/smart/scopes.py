"""SMART scopes: parsed, and compiled to the Access of one interaction on one type.

https://hl7.org/fhir/smart-app-launch/STU2/scopes-and-launch-context.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal

from fhir_server.model import ALL, Access, Clause
from fhir_server.search.tokens import compartment_token
from kernel.errors import Forbidden

if TYPE_CHECKING:
    from fhir_server.model import Principal

Permission = Literal["c", "r", "u", "d", "s"]
VERBS: Final = {"c": "create", "r": "read", "u": "update", "d": "delete", "s": "search"}
V1: Final = {"read": "rs", "write": "cud", "*": "cruds"}
_SCOPE: Final = re.compile(
    r"(?P<context>patient|user|system)/(?P<type>\*|[A-Z][A-Za-z]+)\.(?P<permissions>read|write|\*|c?r?u?d?s?)"
)


@dataclass(frozen=True, slots=True)
class Scope:
    """One clinical scope; `type` is `*` for all."""

    context: Literal["patient", "user", "system"]
    type: str
    permissions: str


def parse(text: str) -> Scope | None:
    """Return the clinical scope, v1 or v2, or None for any other (`openid`, `launch`, …).

    A scope with a search restriction (`?…`) is not understood yet, so it grants nothing.
    """
    match = _SCOPE.fullmatch(text)
    if match is None or not match["permissions"]:
        return None
    permissions = V1.get(match["permissions"], match["permissions"])
    return Scope(match["context"], match["type"], permissions)  # type: ignore[arg-type]  # the pattern


def access(principal: Principal, type: str, permission: Permission) -> Access:
    """Return what the principal may reach with this interaction on this type.

    Raises:
        Forbidden: no scope of the principal allows it; a `patient/` scope without a bound patient
            allows nothing.
    """
    return _access(principal, type, permission)


def require_administrator(principal: Principal) -> None:
    """Refuse everyone who may not do everything.

    Raises:
        Forbidden: there is no scope `system/*.cruds`.
    """
    scopes = (parse(text) for text in principal.scopes)
    for scope in scopes:
        if scope and (scope.context, scope.type, scope.permissions) == ("system", "*", "cruds"):
            return
    raise Forbidden("This is for administrators: scope `system/*.cruds`.")


@lru_cache(maxsize=4096)
def _access(principal: Principal, type: str, permission: Permission) -> Access:
    clauses: list[Clause] = []
    for text in principal.scopes:
        scope = parse(text)
        if scope is None or scope.type not in {"*", type} or permission not in scope.permissions:
            continue
        if scope.context == "system":
            return ALL
        # `user/` needs a role to be bounded by; until then only a bound patient bounds anything.
        if scope.context == "patient" and principal.patient:
            token = compartment_token(f"Patient/{principal.patient}")
            clauses.append(Clause(required=frozenset({token})))
    if not clauses:
        raise Forbidden(
            f"Your scopes do not allow to {VERBS[permission]} `{type}`."
            f" A scope such as `system/{type}.{permission}` would.",
            type,
        )
    return Access(tuple(clauses))
