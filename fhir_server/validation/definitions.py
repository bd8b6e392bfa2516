"""Invariants of definitions that FHIRPath would judge in quadratic time, or not at all, by hand.

https://hl7.org/fhir/R4/structuredefinition.html#invs

Code systems, questionnaires and snapshots have thousands of entries, and these rules compare each
with the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

Json = dict[str, Any]

MOVED: Final = {
    "sdf-8": ("StructureDefinition.snapshot",),
    "sdf-8a": ("StructureDefinition.differential",),
}
"""Rules of an element that ask about its resource, and are judged there."""


def _paths(definition: Json, view: str) -> list[str]:
    elements = definition.get(view, {}).get("element", ())
    return [element.get("path", "") for element in elements]


def _sdf_8(definition: Json) -> bool:
    """All paths of a snapshot begin with that of the first element, which is the type's."""
    paths = _paths(definition, "snapshot")
    if not paths:
        return True
    right = definition.get("kind") == "logical" or paths[0] == definition.get("type")
    return right and all(path.startswith(f"{paths[0]}.") for path in paths[1:])


def _sdf_8a(definition: Json) -> bool:
    """All paths of a differential begin with the type; the first one may be in the middle."""
    paths = _paths(definition, "differential")
    if not paths:
        return True
    logical = definition.get("kind") == "logical"
    right = logical or paths[0].startswith(definition.get("type", ""))
    root = paths[0].partition(".")[0]
    return right and all(path.startswith(f"{root}.") for path in paths[1:])


def _codes(concepts: Any, name: str, inside: str) -> Iterator[str]:
    todo = [*concepts]
    while todo:
        concept = todo.pop()
        if name in concept:
            yield concept[name]
        todo.extend(concept.get(inside, ()))


def _csd_1(system: Json) -> bool:
    """No code of a code system is there twice, however deep."""
    codes = list(_codes(system.get("concept", ()), "code", "concept"))
    return len(set(codes)) == len(codes)


def _ig_1(definition: Json) -> bool:
    """Every group that a resource of a guide names is there."""
    groups = {grouping.get("id") for grouping in definition.get("grouping", ())}
    named = (resource.get("groupingId") for resource in definition.get("resource", ()))
    return all(name is None or name in groups for name in named)


def _que_2(questionnaire: Json) -> bool:
    """No `linkId` of a questionnaire is there twice, however deep."""
    links = list(_codes(questionnaire.get("item", ()), "linkId", "item"))
    return len(set(links)) == len(links)


DEFINITIONS: Final[dict[tuple[str, str], Callable[[Json], bool]]] = {
    ("", "csd-1"): _csd_1,
    ("", "ig-1"): _ig_1,
    ("", "que-2"): _que_2,
    ("", "sdf-8"): _sdf_8,
    ("", "sdf-8a"): _sdf_8a,
}
"""By type, which is only needed where a key is used twice, and key."""
