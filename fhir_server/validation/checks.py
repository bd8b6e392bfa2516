"""The fast walker: one predicate per type, built from the tables when it is first needed.

https://hl7.org/fhir/R4/validation.html

What it accepts is valid. What it does not accept may still be: rare but legal shapes (`_x` of an
array, both `x` and `_x` of a choice) are left to the explainer, which has the last word.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from fhir_server import tables
from fhir_server.validation import bindings, references
from fhir_server.validation.members import Member, choices, members, required
from fhir_server.validation.primitives import CHECKS, Check


@cache
def check(type: str) -> Check:
    """Return the predicate for objects of a resource, data or backbone type."""
    handlers = _Handlers(type)
    needed = tuple(group.names[0] for group in required(type) if len(group.names) == 1)
    if tables.get(type).kind == "resource":
        needed = ("resourceType", *needed)

    def is_object(value: Any) -> bool:
        if value.__class__ is not dict or not value:
            return False
        for name, item in value.items():
            if not handlers[name](item):
                return False
        for name in needed:  # noqa: SIM110  - a generator costs more than what it looks at
            if name not in value and f"_{name}" not in value:
                return False
        return True

    return _choosing(is_object, type) if choices(type) else is_object


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

    def __init__(self, type: str) -> None:
        super().__init__()
        self._type = type

    def __missing__(self, name: str) -> Check:
        made = _handler(self._type, name)
        if made is None:
            return _never
        self[name] = made
        return made


def _never(_: Any) -> bool:
    return False


def _handler(type: str, name: str) -> Check | None:
    if name == "resourceType" and tables.get(type).kind == "resource":
        return lambda value: value == type
    known = members(type)
    member = known.get(name)
    if member is not None:
        one = _one(member)
        return _many(one, member) if member.many else one
    if name.startswith("_"):
        base = known.get(name[1:])
        if base is not None and base.extensible and not base.many:
            return check("Element")
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


def _one(member: Member) -> Check:
    if member.type == "Resource":
        return _is_contained if member.name == "contained" else _is_resource
    codes = tables.value_set(member.element.value_set)
    if codes is not None:
        return _bound(member, codes)
    if member.primitive:
        return CHECKS[member.type]
    if member.type == "Reference":
        return _reference(references.targets(member.element))
    return check(member.type)


def _is_resource(value: Any) -> bool:
    if value.__class__ is not dict:
        return False
    type = value.get("resourceType")
    return type.__class__ is str and type in tables.RESOURCE_TYPES and check(type)(value)


def _is_contained(value: Any) -> bool:
    return _is_resource(value) and "contained" not in value


def _bound(member: Member, value_set: tables.ValueSet) -> Check:
    if member.primitive:
        codes = value_set.codes
        return lambda value: value.__class__ is str and value in codes
    is_concept = check(member.type)
    return lambda value: is_concept(value) and bindings.covers(value_set, value)


def _reference(types: frozenset[str]) -> Check:
    is_reference = check("Reference")
    return lambda value: is_reference(value) and references.allowed(value, types)
