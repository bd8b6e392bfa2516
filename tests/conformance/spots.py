"""Where an example can be damaged: every member of every object in it.

https://hl7.org/fhir/R4/json.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from fhir_server.validation.members import Member, members

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Spot:
    """One member of an object in a resource: the object by its keys, and where it is."""

    keys: tuple[str | int, ...]
    type: str
    above: str
    member: Member

    @property
    def path(self) -> str:
        return f"{self.above}.{self.member.path}"


Damage = Callable[[Json, Spot], str | None]
"""Damages an object at a spot and returns where the fault is; None if it cannot be made there."""


def spots(resource: Json) -> list[Spot]:
    """Return every member of every object of a resource."""
    type = resource["resourceType"]
    return list(_spots(resource, type, type, ()))


def _spots(value: Json, type: str, path: str, keys: tuple[str | int, ...]) -> Iterator[Spot]:
    known = members(type)
    for name, item in value.items():
        member = known.get(name)
        if member is None:
            continue
        spot = Spot(keys, type, path, member)
        yield spot
        if not member.primitive:
            entries = list(enumerate(item)) if member.many else [(None, item)]
            for index, entry in entries:
                inner = entry["resourceType"] if member.type == "Resource" else member.type
                at = spot.path if index is None else f"{spot.path}[{index}]"
                step = (name,) if index is None else (name, index)
                yield from _spots(entry, inner, at, (*keys, *step))


def object_at(resource: Json, spot: Spot) -> Json:
    place: Any = resource
    for key in spot.keys:
        place = place[key]
    return place  # type: ignore[no-any-return]  # JSON at the keys of an object


def first(spot: Spot) -> str:
    return f"{spot.path}[0]" if spot.member.many else spot.path


def put(value: Json, spot: Spot, new: Any) -> str:
    """Replace the member's value, or the first of its values."""
    name = spot.member.name
    if spot.member.many:
        value[name][0] = new
    else:
        value[name] = new
    return first(spot)


def one(value: Json, spot: Spot) -> Any:
    given = value[spot.member.name]
    return given[0] if spot.member.many else given
