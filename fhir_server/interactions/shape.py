"""Which members of a resource stay when only a part of it is asked for.

https://hl7.org/fhir/R4/search.html#summary
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Final

from fhir_server import tables
from fhir_server.tables import Element

MOST_STEPS: Final = 16
"""The longest path of `_elements`: `item.item.item` has no end of its own."""

_ALWAYS: Final = frozenset({"id", "meta"})
_EXTENSIONS: Final = frozenset({"id", "extension"})
_CHOICE: Final = "[x]"

Tree = dict[str, "Tree | None"]
"""Paths of `_elements` by their steps; None is the whole element."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The JSON members that stay, None for whole ones; a `required` one is never left empty."""

    members: dict[str, Shape | None] = field(default_factory=dict)
    required: set[str] = field(default_factory=set)

    def add(self, name: str, kind: str, element: Element, inner: Shape | None) -> None:
        self.members[name] = inner
        if tables.get(kind).kind == "primitive":
            self.members[f"_{name}"] = None
        if element.min:
            self.required.add(name)


def spelled(name: str, element: Element) -> Iterator[tuple[str, str]]:
    """Yield each JSON name of an element with its type: `valueString`, `valueQuantity`, …"""
    if not name.endswith(_CHOICE):
        yield name, element.types[0]
        return
    stem = name.removesuffix(_CHOICE)
    for type in element.types:
        yield f"{stem}{type[0].upper()}{type[1:]}", type


@cache
def summary(type: str) -> Shape:
    """Return what `_summary=true` leaves: the elements marked so, and all that are needed.

    An extension stays with the element of a data type that it extends: it may be what makes it
    right. Those of the resource and of its backbone elements are not part of the summary.
    """
    return _summary(type, {})


def _summary(type: str, made: dict[str, Shape]) -> Shape:
    if type in made:
        return made[type]
    shape = made[type] = _started(type)
    backbone = tables.get(type).kind != "complex"
    for name, element in tables.get(type).elements.items():
        stays = name in _EXTENSIONS and not backbone
        if stays or element.summary or element.min or element.modifier or _is_id(type, name):
            for member, kind in spelled(name, element):
                inner = _summary(kind, made) if not stays and _loses(kind) else None
                shape.add(member, kind, element, inner)
    return shape


@cache
def _loses(type: str) -> bool:
    """Return whether a summary leaves anything out of a value of this type."""
    return _may_lose(type, set())


def _may_lose(type: str, seen: set[str]) -> bool:
    if type in seen or type in {"Extension", "Meta"}:
        return False
    seen.add(type)
    described = tables.get(type)
    if described.kind == "backbone":
        return True
    return described.kind == "complex" and any(
        not (e.summary or e.min or e.modifier) or any(_may_lose(kind, seen) for kind in e.types)
        for name, e in described.elements.items()
        if name not in _EXTENSIONS
    )


@cache
def text(type: str) -> Shape:
    """Return what `_summary=text` leaves: the narrative, id, meta, and mandatory elements."""
    shape = _started(type)
    for name, element in tables.get(type).elements.items():
        if element.min or name in _ALWAYS or name == "text":
            for member, kind in spelled(name, element):
                shape.add(member, kind, element, None)
    return shape


@lru_cache(maxsize=256)
def elements(type: str, names: tuple[str, ...]) -> Shape | None:
    """Return what `_elements` leaves, None if no name is about this type.

    Mandatory and modifier elements stay, at each level that is cut.
    """
    tree: Tree = {}
    about = False
    for name in names:
        steps = path(type, name)
        about = about or steps is not None
        if steps:
            _grow(tree, steps)
    return _chosen(type, tree, top=True) if about else None


def path(type: str, name: str) -> tuple[str, ...] | None:
    """Return the steps of `name.family` or `Patient.name`; None if it names another type."""
    first, *rest = name.split(".")
    if first in tables.RESOURCE_TYPES:
        return _steps(rest) if first == type else None
    return _steps([first, *rest])


def leads(type: str, steps: Sequence[str]) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return the steps that lead to an element, and the names that could come after them."""
    at = frozenset({type})
    right: list[str] = []
    for step in steps[:MOST_STEPS]:
        following = frozenset(kind for one in at for kind in inside(one).get(step, ()))
        if not following:
            break
        at = following
        right.append(step)
    return tuple(right), frozenset(name for one in at for name in inside(one))


@cache
def inside(type: str) -> Mapping[str, tuple[str, ...]]:
    """Return the types of each element by every name it may be asked for by."""
    described = tables.get(type)
    found: dict[str, tuple[str, ...]] = {}
    if described.kind == "primitive":  # it is kept or not, with its extensions
        return found
    for name, element in described.elements.items():
        for member, kind in spelled(name, element):
            found[member] = (kind,)
        found[name] = found[name.removesuffix(_CHOICE)] = element.types
    return found


def _steps(parts: Sequence[str]) -> tuple[str, ...]:
    return tuple(part.removesuffix(_CHOICE) for part in parts)


def _grow(tree: Tree, steps: Sequence[str]) -> None:
    """Add one path; a shorter one includes all that goes on from it."""
    for step in steps[: min(len(steps), MOST_STEPS) - 1]:
        inner = tree.setdefault(step, {})
        if inner is None:
            return
        tree = inner
    tree[steps[-1]] = None


def _chosen(type: str, tree: Tree, *, top: bool = False) -> Shape:
    shape = _started(type)
    for name, element in tables.get(type).elements.items():
        kept = element.min > 0 or element.modifier or (top and name in _ALWAYS)
        for member, kind in spelled(name, element):
            asked = [name.removesuffix(_CHOICE), member]
            trees = [tree[one] for one in asked if one in tree]
            if any(inner is None for inner in trees) or (kept and not trees):
                shape.add(member, kind, element, None)
                continue
            merged: Tree = {}
            for inner in trees:
                merged |= inner or {}
            if merged and tables.get(kind).kind != "primitive":
                shape.add(member, kind, element, _chosen(kind, merged))
            elif kept:
                shape.add(member, kind, element, None)
    return shape


def _started(type: str) -> Shape:
    is_resource = tables.get(type).kind == "resource"
    return Shape({"resourceType": None} if is_resource else {})


def _is_id(type: str, name: str) -> bool:
    return name == "id" and tables.get(type).kind == "resource"
