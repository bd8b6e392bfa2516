"""Contained resources: who refers to them, and what they must not have (dom-3, dom-4, dom-5, ref-1).

https://hl7.org/fhir/R4/references.html#contained
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, Final, NamedTuple

from fhir_server.tables import RESOURCE_TYPES
from fhir_server.validation import references
from fhir_server.validation.members import Member, members
from fhir_server.validation.place import Place

Json = dict[str, Any]

_POINTING: Final = frozenset({"uri", "url", "canonical"})
_SERVER_META: Final = ("versionId", "lastUpdated")


class Fault(NamedTuple):
    """`rule` is the key of the invariant, "" for a reference to a wrong type."""

    rule: str
    place: Place
    sentence: str


class _Local(NamedTuple):
    """A string that begins with `#`, and what a Reference that has it may point to."""

    text: str
    place: Place
    targets: frozenset[str] | None


def faults(resource: Json, type: str, root: Place) -> Iterator[Fault]:
    """Yield what is wrong with contained resources and with references to them."""
    found = resource.get("contained")
    inside: list[Json] = found if isinstance(found, list) else []
    local = list(_local(resource, type, root))
    types = {inner.get("id"): _type(inner) for inner in inside if _is_object(inner)}
    for link in local:
        if link.targets is not None and link.text != "#":
            yield from _link(link, types)
    named = {link.text for link in local}
    for index, inner in enumerate(inside):
        if _is_object(inner):
            place = root.member("contained").at(index)
            yield from _meta(inner, place)
            yield from _unused(inner, place, named)


def _is_object(inner: Any) -> bool:
    return isinstance(inner, dict) and isinstance(inner.get("id", ""), str)


def _type(inner: Json) -> str:
    """Return the type, "" for one that R4 does not have: that is told elsewhere."""
    type = inner.get("resourceType")
    return type if isinstance(type, str) and type in RESOURCE_TYPES else ""


def _link(link: _Local, types: dict[Any, str]) -> Iterator[Fault]:
    id = link.text[1:]
    if id not in types:
        known = ", ".join(f"`#{name}`" for name in list(types)[:12] if name)
        hint = f"; {known} are contained" if known else "; nothing is contained"
        yield Fault(
            "ref-1",
            link.place,
            f"`{link.text[:60]}` points to no contained resource{hint} (ref-1).",
        )
    elif types[id] and link.targets is not None and types[id] not in link.targets:
        expected = ", ".join(f"`{target}`" for target in sorted(link.targets))
        yield Fault(
            "",
            link.place,
            f"`{link.text[:60]}` points to a {types[id]}, expected a reference to {expected}.",
        )


def _meta(inner: Json, place: Place) -> Iterator[Fault]:
    meta = inner.get("meta")
    if not isinstance(meta, dict):
        return
    for name in _SERVER_META:
        if name in meta or f"_{name}" in meta:
            sentence = (
                f"A contained resource has no version of its own: leave `{name}` out (dom-4)."
            )
            yield Fault("dom-4", place.member("meta").member(name), sentence)
    if "security" in meta:
        sentence = "A contained resource has no security labels of its own (dom-5)."
        yield Fault("dom-5", place.member("meta").member("security"), sentence)


def _unused(inner: Json, place: Place, named: set[str]) -> Iterator[Fault]:
    id = inner.get("id")
    if id is None or f"#{id}" in named:
        return
    type = _type(inner)
    # One that refers to what contains it, such as a Provenance, needs nobody who refers to it.
    if type and any(link.text == "#" for link in _local(inner, type, place)):
        return
    sentence = f"Nothing refers to the contained resource `{id[:64]}`: use `#{id[:64]}` (dom-3)."
    yield Fault("dom-3", place, sentence)


def _local(resource: Json, type: str, root: Place) -> Iterator[_Local]:
    """Yield the strings that begin with `#` where they can mean a contained resource.

    Hot for resources that contain others: no place is made before there is something to tell.
    """
    todo: list[tuple[Json, str, _Trail]] = [(resource, type, None)]
    while todo:
        value, type, trail = todo.pop()
        known = _plan(type)
        for name, item in value.items():
            member = known.get(name)
            if member is None:
                continue
            if member.primitive:
                for text in item if item.__class__ is list else (item,):
                    if text.__class__ is str and text[:1] == "#":
                        yield _Local(text, _place((trail, member, None), root), None)
            elif member.type == "Reference":
                yield from _links(item, member, trail, root, todo)
            elif item.__class__ is list:
                for index, entry in enumerate(item):
                    _push(entry, member, (trail, member, index), todo)
            else:
                _push(item, member, (trail, member, None), todo)


_Trail = tuple[Any, Member, int | None] | None  # what is above, the member, the index in an array


@cache
def _plan(type: str) -> dict[str, Member]:
    """Return the members of a type that may hold a link."""
    return {
        name: member
        for name, member in members(type).items()
        if not member.primitive or member.type in _POINTING
    }


def _links(
    item: Any, member: Member, trail: _Trail, root: Place, todo: list[tuple[Json, str, _Trail]]
) -> Iterator[_Local]:
    entries = enumerate(item) if item.__class__ is list else ((None, item),)
    for index, value in entries:
        if value.__class__ is not dict:
            continue
        here = (trail, member, index)
        text = value.get("reference")
        if text.__class__ is str and text[:1] == "#":
            place = _place(here, root).member("reference")
            yield _Local(text, place, references.targets(member.element))
        if len(value) > 1:
            todo.append((value, "Reference", here))


def _push(value: Any, member: Member, trail: _Trail, todo: list[tuple[Json, str, _Trail]]) -> None:
    if value.__class__ is not dict:
        return
    type = member.type
    if type == "Resource":
        if member.name != "contained":  # an entry of a Bundle stands on its own
            return
        type = _type(value)
        if not type:
            return
    todo.append((value, type, trail))


def _place(trail: _Trail, root: Place) -> Place:
    if trail is None:
        return root
    above, member, index = trail
    place = _place(above, root).member(member.path, member.name)
    return place if index is None else place.at(index)
