"""The fast walker: one predicate per type, built from the tables when it is first needed.

https://hl7.org/fhir/R4/validation.html

What it accepts is valid. What it does not accept may still be: rare but legal shapes (`_x` of an
array, both `x` and `_x` of a choice) are left to the explainer, which has the last word.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from fhir_server import tables
from fhir_server.validation import bindings, contained, references
from fhir_server.validation.byhand import rules
from fhir_server.validation.members import Member, choices, members, required
from fhir_server.validation.place import Place
from fhir_server.validation.primitives import CHECKS, Check


@cache
def check(type: str, local: bool = False) -> Check:
    """Return the predicate for objects of a resource, data or backbone type.

    `local` is for what is in a resource that contains others: only there may a reference begin
    with `#`, and only the whole resource can tell where it points.
    """
    predicate = _shaped(type, local)
    if choices(type):
        predicate = _choosing(predicate, type)
    if found := rules(type):
        predicate = _ruled(predicate, tuple(holds for _, holds in found))
    if not local and "contained" in members(type):
        return _containing(predicate, check(type, True), type)
    return predicate


def _shaped(type: str, local: bool) -> Check:
    handlers = _Handlers(type, local)
    needed = tuple(group.names[0] for group in required(type) if len(group.names) == 1)
    if tables.get(type).kind == "resource":
        needed = ("resourceType", *needed)

    def is_object(value: Any) -> bool:
        # ele-1: an id alone says nothing.
        if value.__class__ is not dict or not value or (len(value) == 1 and "id" in value):
            return False
        for name, item in value.items():
            if not handlers[name](item):
                return False
        for name in needed:  # noqa: SIM110  - a generator costs more than what it looks at
            if name not in value and f"_{name}" not in value:
                return False
        return True

    return is_object


def _ruled(is_object: Check, rules: tuple[Check, ...]) -> Check:
    if len(rules) == 1:
        (holds,) = rules
        return lambda value: is_object(value) and holds(value)

    def is_object_by_the_rules(value: Any) -> bool:
        if not is_object(value):
            return False
        for holds in rules:  # noqa: SIM110  - as above
            if not holds(value):
                return False
        return True

    return is_object_by_the_rules


def _containing(alone: Check, local: Check, type: str) -> Check:
    root = Place(type)

    def is_resource(value: Any) -> bool:
        if value.__class__ is dict and "contained" in value:
            return local(value) and not any(contained.faults(value, type, root))
        return alone(value)

    return is_resource


def _choosing(is_object: Check, type: str) -> Check:
    once = tuple(
        (frozenset(group.names) | {f"_{name}" for name in group.names}, bool(group.min))
        for group in choices(type)
    )

    def is_object_with_choices(value: Any) -> bool:
        if not is_object(value):
            return False
        for names, must in once:
            found = len(names.intersection(value))
            if found > 1 or found < must:
                return False
        return True

    return is_object_with_choices


class _Handlers(dict[str, Check]):
    """The predicates of an object's members, each made when it is first met."""

    def __init__(self, type: str, local: bool) -> None:
        super().__init__()
        self._type = type
        self._local = local

    def __missing__(self, name: str) -> Check:
        made = _handler(self._type, name, self._local)
        if made is None:
            return _never
        self[name] = made
        return made


def _never(_: Any) -> bool:
    return False


def _handler(type: str, name: str, local: bool) -> Check | None:
    if name == "resourceType" and tables.get(type).kind == "resource":
        return lambda value: value == type
    known = members(type)
    member = known.get(name)
    if member is not None:
        single = one(member, local)
        return _many(single, member) if member.many else single
    if name.startswith("_"):
        base = known.get(name[1:])
        if base is not None and base.extensible and not base.many:
            return check("Element", local)
    return None


def _many(one: Check, member: Member) -> Check:
    least, most = member.element.min, member.element.max

    def is_array(value: Any) -> bool:
        if value.__class__ is not list or not value:
            return False
        for item in value:  # noqa: SIM110  - `all()` of a generator takes twice as long
            if not one(item):
                return False
        return True

    if least <= 1 and most is None:
        return is_array
    return lambda value: is_array(value) and least <= len(value) <= (most or len(value))


@cache
def one(member: Member, local: bool) -> Check:
    """Return the predicate for one value of a member."""
    if member.type == "Resource":
        return _is_contained if member.name == "contained" else _is_resource
    codes = tables.value_set(member.element.value_set)
    if codes is not None:
        return _bound(member, codes, local)
    if member.primitive:
        return CHECKS[member.type]
    if member.type == "Reference":
        return _reference(references.targets(member.element), local)
    return check(member.type, local)


def _is_resource(value: Any) -> bool:
    if value.__class__ is not dict:
        return False
    type = value.get("resourceType")
    return type.__class__ is str and type in tables.RESOURCE_TYPES and check(type)(value)


def _is_contained(value: Any) -> bool:
    if value.__class__ is not dict or "contained" in value:
        return False
    type = value.get("resourceType")
    return type.__class__ is str and type in tables.RESOURCE_TYPES and check(type, True)(value)


def _bound(member: Member, value_set: tables.ValueSet, local: bool) -> Check:
    if member.primitive:
        codes = value_set.codes
        return lambda value: value.__class__ is str and value in codes
    is_concept = check(member.type, local)
    return lambda value: is_concept(value) and bindings.covers(value_set, value)


def _reference(types: frozenset[str], local: bool) -> Check:
    is_reference = check("Reference", local)

    def is_reference_to(value: Any) -> bool:
        if not is_reference(value):
            return False
        text = value.get("reference")
        if text is None:
            return True
        return local if text[0] == "#" else references.allowed(value, types)

    return is_reference_to
