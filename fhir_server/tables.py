"""The compiled facts of R4: resource types, elements, primitive formats, required value sets, invariants.

https://hl7.org/fhir/R4/elementdefinition.html

Made from the original package by `tools/compile_r4.py`; one type is decoded when it is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import chain
from typing import Final, Literal

import msgspec


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a type. A name that ends in `[x]` is a choice of `types`.

    `max` None is unbounded. `targets` are the types that a Reference may point to, empty for any.
    A type with a dot, such as `Observation.component`, is a backbone element. `summary` is part of
    `_summary=true`; a `modifier` changes the meaning of what it is in.
    """

    types: tuple[str, ...]
    min: int = 0
    max: int | None = 1
    value_set: str = ""  # canonical of the required binding
    targets: tuple[str, ...] = ()
    summary: bool = False
    modifier: bool = False


@dataclass(frozen=True, slots=True)
class Type:
    """One type; `regex`, `minimum` and `maximum` are of a primitive's value."""

    kind: Literal["resource", "complex", "backbone", "primitive"]
    elements: dict[str, Element]
    base: str = ""
    abstract: bool = False
    regex: str = ""
    minimum: int | None = None
    maximum: int | None = None


@dataclass(frozen=True, slots=True)
class ValueSet:
    """An enumerated value set: its codes by system, and all of them in the order of R4."""

    systems: dict[str, frozenset[str]]
    codes: dict[str, None]


@dataclass(frozen=True, slots=True)
class Invariant:
    """One rule across elements whose breach is an error; `human` is the sentence of R4."""

    key: str
    expression: str
    human: str


def _index(name: str) -> dict[str, msgspec.Raw]:
    content = files("profiles").joinpath("r4", name).read_bytes()
    return msgspec.json.decode(content, type=dict[str, msgspec.Raw])


class _Rule(msgspec.Struct):
    expression: str
    human: str
    paths: list[str]


_TYPES: Final = _index("elements.json")
_TYPE: Final = msgspec.json.Decoder(Type)
_SYSTEMS: Final = msgspec.json.Decoder(dict[str, list[str]])

RESOURCE_TYPES: Final = frozenset(
    name
    for name, raw in _TYPES.items()
    if bytes(raw).startswith(b'{"kind":"resource"') and b'"abstract":true' not in bytes(raw)
)
"""The resource types that can be stored: all but Resource and DomainResource."""


@cache
def get(name: str) -> Type:
    """Return a resource, data, backbone or primitive type.

    Raises:
        KeyError: R4 has no type of this name.
    """
    return _TYPE.decode(_TYPES[name])


def exists(name: str) -> bool:
    """Return whether R4 has a type of this name, backbone elements included."""
    return name in _TYPES


def names() -> tuple[str, ...]:
    """Return the names of all types, backbone elements included."""
    return tuple(_TYPES)


@cache
def value_set(url: str) -> ValueSet | None:
    """Return the codes of a required binding, or None if R4 itself cannot enumerate them."""
    raw = _bindings().get(url)
    if raw is None:
        return None
    systems = _SYSTEMS.decode(raw)
    return ValueSet(
        {system: frozenset(codes) for system, codes in systems.items()},
        dict.fromkeys(chain.from_iterable(systems.values())),
    )


@cache
def invariants(path: str) -> tuple[Invariant, ...]:
    """Return the invariants of a type or of an element, such as `Patient.contact`.

    Those of Element and DomainResource, which everything inherits, are found under these names.
    """
    return _invariants().get(path, ())


@cache
def _invariants() -> dict[str, tuple[Invariant, ...]]:
    content = files("profiles").joinpath("r4", "invariants.json").read_bytes()
    found: dict[str, tuple[Invariant, ...]] = {}
    for key, rules in msgspec.json.decode(content, type=dict[str, list[_Rule]]).items():
        for rule in rules:
            for path in rule.paths:
                made = Invariant(key, rule.expression, rule.human)
                found[path] = (*found.get(path, ()), made)
    return found


@cache
def _bindings() -> dict[str, msgspec.Raw]:
    return _index("bindings.json")
