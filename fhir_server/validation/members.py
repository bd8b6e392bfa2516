"""The JSON members of a type: what both walkers know of an object.

https://hl7.org/fhir/R4/json.html#2.6.2
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from fhir_server import tables

if TYPE_CHECKING:
    from fhir_server.tables import Element


@dataclass(frozen=True, slots=True)
class Member:
    """One member: `valueQuantity`, of the element `value[x]`, with the FHIRPath name `value`.

    `extensible` members are primitives that may have a `_member` with id and extensions.
    """

    name: str
    path: str
    type: str
    element: Element
    primitive: bool
    extensible: bool

    @property
    def many(self) -> bool:
        return self.element.max != 1


@dataclass(frozen=True, slots=True)
class Group:
    """The members of one element: one, or those of a choice."""

    path: str
    names: tuple[str, ...]
    min: int


@cache
def members(type: str) -> dict[str, Member]:
    """Return the members of a resource, data or backbone type by name."""
    described = tables.get(type)
    found: dict[str, Member] = {}
    for name, element in described.elements.items():
        for member, kind in _spelt(name, element):
            primitive = tables.get(kind).kind == "primitive"
            found[member] = Member(
                member,
                name.removesuffix("[x]"),
                kind,
                element,
                primitive,
                # https://hl7.org/fhir/R4/element.html: these are attributes in XML.
                primitive and kind != "xhtml" and name != "id" and (type, name) != _EXTENSION_URL,
            )
    return found


_EXTENSION_URL = ("Extension", "url")


def _spelt(name: str, element: Element) -> list[tuple[str, str]]:
    if not name.endswith("[x]"):
        return [(name, element.types[0])]
    stem = name.removesuffix("[x]")
    return [(f"{stem}{kind[0].upper()}{kind[1:]}", kind) for kind in element.types]


@cache
def required(type: str) -> tuple[Group, ...]:
    """Return the elements that a type must have."""
    return tuple(group for group in _groups(type) if group.min)


@cache
def choices(type: str) -> tuple[Group, ...]:
    """Return the elements of which a type has one member at most."""
    return tuple(group for group in _groups(type) if len(group.names) > 1)


def _groups(type: str) -> list[Group]:
    return [
        Group(
            name.removesuffix("[x]"),
            tuple(member for member, _ in _spelt(name, element)),
            element.min,
        )
        for name, element in tables.get(type).elements.items()
    ]
