"""Search parameters as the CapabilityStatement describes them.

https://hl7.org/fhir/R4/capabilitystatement-definitions.html#CapabilityStatement.rest.resource.searchParam
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from fhir_server.search import parameters as registry
from fhir_server.search.kind import TYPE_MODIFIER, kind_of
from fhir_server.tables import RESOURCE_TYPES

if TYPE_CHECKING:
    from fhir_server.search.parameters import Known, Parameter

PREFIXED: Final = frozenset({"date", "number", "quantity"})
PREFIXES: Final = "eq ne gt lt ge le sa eb ap"


def parameters(known: Known, type: str) -> list[dict[str, str]]:
    """Return the parameters that a type can be searched by; `Resource` is what all types have."""
    made = [_described(row) for row in _custom(known, type)]
    return sorted([*_of_r4(type), *made], key=lambda row: row["name"]) if made else _of_r4(type)


def included(known: Known, type: str) -> list[str]:
    """Return the values of `_include` that begin at a type."""
    return ["*", *_links(known, type)]


def reversed_included(known: Known, type: str) -> list[str]:
    """Return the values of `_revinclude` that lead to a type."""
    made = [
        f"{source}:{row.name}"
        for source in known.custom
        for row in _custom(known, source)
        if row.kind == "reference" and (not row.targets or type in row.targets)
    ]
    return [*_reversed().get(type, ()), *_reversed()[""], *made]


@cache
def _of_r4(type: str) -> list[dict[str, str]]:
    return [_described(row) for row in _usable(type)]


@cache
def _reversed() -> dict[str, list[str]]:
    """Return those of R4 by target; those that may lead to any type are under ""."""
    found: dict[str, list[str]] = {"": []}
    for source in sorted(RESOURCE_TYPES):
        for row in _usable(source):
            if row.kind == "reference":
                for target in row.targets or ("",):
                    found.setdefault(target, []).append(f"{source}:{row.name}")
    return found


def _links(known: Known, type: str) -> list[str]:
    rows = [*_usable(type), *_custom(known, type)]
    return [f"{type}:{row.name}" for row in rows if row.kind == "reference"]


def _custom(known: Known, type: str) -> list[Parameter]:
    """Return the parameters made over REST that serve already."""
    made = known.custom.get(type, {})
    r4 = registry.of(type)
    return [made[name] for name in sorted(made) if made[name].ready and name not in r4]


def _usable(type: str) -> list[Parameter]:
    rows = registry.of(type)
    return [rows[name] for name in sorted(rows) if kind_of(rows[name]) is not None]


def _described(row: Parameter) -> dict[str, str]:
    described = {"name": row.name}
    if row.url:
        described["definition"] = row.url
    return described | {"type": row.kind, "documentation": _documentation(row)}


def _documentation(row: Parameter) -> str:
    said = []
    if row.kind in PREFIXED:
        said.append(f"Prefixes: {PREFIXES}.")
    kind = kind_of(row)
    modifiers = sorted(kind.modifiers) if kind is not None else []
    if modifiers:
        names = ", ".join(f":{name}" for name in modifiers if name != TYPE_MODIFIER)
        typed = ":[type]" if TYPE_MODIFIER in modifiers else ""
        said.append(f"Modifiers: {', '.join(part for part in (names, typed) if part)}.")
    if row.kind == "reference" and row.targets:
        said.append(f"Refers to: {', '.join(row.targets[:12])}{_more(row)}.")
    return " ".join(said) or "No modifiers."


def _more(row: Parameter) -> str:
    return f" and {len(row.targets) - 12} more" if len(row.targets) > 12 else ""
