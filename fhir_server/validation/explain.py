"""The slow walker: all faults of a resource, each as a sentence with its place.

https://hl7.org/fhir/R4/validation.html
"""

from __future__ import annotations

from itertools import islice
from typing import Any, Final

from fhir_server import tables
from fhir_server.validation import bindings, contained, references
from fhir_server.validation.byhand import is_broken, rules
from fhir_server.validation.checks import one
from fhir_server.validation.members import Member, choices, members, required
from fhir_server.validation.place import Place
from fhir_server.validation.primitives import CHECKS, EXPECTED, Check
from fhir_server.validation.sentences import (
    LONGEST,
    identifier,
    narrative,
    not_in,
    quoted,
    sentence,
    shape,
    shown,
    unknown,
    unknown_type,
    wrong_target,
)
from kernel.errors import Issue

MOST: Final = 100
"""Faults that are listed before the walker gives up."""

MANY: Final = 50
"""Entries of an array from which on the fast walker picks those that are worth a look."""


def explain(resource: Any, type: str) -> list[Issue]:
    """Return the first `MOST` faults; empty if the resource is valid."""
    findings = _Findings()
    findings.resource(resource, type, Place(type))
    return findings.issues


class _Findings:
    """The faults found so far, and one method for each shape that may be met."""

    __slots__ = ("glanced", "issues")

    def __init__(self) -> None:
        self.issues: list[Issue] = []
        self.glanced = False  # whether this is in a long array, whose entries were looked at

    @property
    def full(self) -> bool:
        return len(self.issues) >= MOST

    def add(self, code: str, place: Place, sentence: str) -> None:
        if not self.full:
            self.issues.append(Issue(code, sentence, (place.path,), pointer=place.pointer))

    def resource(self, value: Any, type: str, place: Place, *, inside: bool = False) -> None:
        said = place.member("resourceType")
        if "resourceType" not in value:
            self.add("required", said, unknown_type(None))
        elif value["resourceType"] != type:
            given = quoted(value["resourceType"])
            self.add("structure", said, f"`resourceType` is {given}, expected `{type}`.")
        self.contents({name: value[name] for name in value if name != "resourceType"}, type, place)
        if not inside and not self.full:
            for fault in islice(contained.faults(value, type, place), MOST):
                self.add("invariant" if fault.rule else "value", fault.place, fault.sentence)

    def inner(self, value: Any, member: Member, place: Place) -> None:
        """A resource within another one: contained, or an entry of a Bundle."""
        if not self.is_object(value, "a resource", place):
            return
        type = value.get("resourceType")
        if not isinstance(type, str) or type not in tables.RESOURCE_TYPES:
            self.add("structure", place.member("resourceType"), unknown_type(type))
            return
        inside = member.name == "contained"
        if inside and "contained" in value:
            self.add(
                "invariant",
                place.member("contained"),
                "A contained resource must not contain others (dom-2). Move them one level up.",
            )
        self.resource(value, type, place, inside=inside)

    def is_object(self, value: Any, expected: str, place: Place) -> bool:
        if not isinstance(value, dict):
            self.add("structure", place, f"{shape(value)} was found, expected {expected}.")
            return False
        if not value:
            self.add("structure", place, f"The object is empty, expected {expected}. Leave it out.")
            return False
        return True

    def object(self, value: Any, type: str, place: Place) -> None:
        if not self.is_object(value, f"an object of type {type}", place):
            return
        if len(value) == 1 and "id" in value:
            self.add(
                "invariant",
                place,
                f"The {type} has an `id` and says nothing else (ele-1). Fill it.",
            )
        self.contents(value, type, place)

    def contents(self, value: dict[str, Any], type: str, place: Place) -> None:
        known = members(type)
        for name, item in value.items():
            if self.full:
                return
            if name in known:
                self.member(item, known[name], value, place)
            elif not (name.startswith("_") and self.extended(name, value, known, place)):
                where = place.member(identifier(name), name if len(name) < LONGEST else shown(name))
                self.add("structure", where, unknown(name, type, known))
        self.groups(value, type, place)
        for rule, holds in rules(type):
            if is_broken(holds, value):
                self.add("invariant", place, sentence(rule))

    def groups(self, value: dict[str, Any], type: str, place: Place) -> None:
        for group in required(type):
            if not any(name in value or f"_{name}" in value for name in group.names):
                names = group.names[0] if len(group.names) == 1 else f"{group.path}[x]"
                where = place.member(group.path)
                self.add("required", where, f"`{names}` is missing: {type} must have it.")
        for group in choices(type):
            found = [name for name in group.names if name in value or f"_{name}" in value]
            if len(found) > 1:
                listed = " and ".join(f"`{name}`" for name in found)
                self.add(
                    "structure",
                    place.member(group.path, found[1]),
                    f"{listed} are given, expected one of them only.",
                )

    def member(self, item: Any, member: Member, siblings: dict[str, Any], place: Place) -> None:
        where = place.member(member.path, member.name)
        if not member.many:
            self.one(item, member, where)
            return
        if not isinstance(item, list):
            self.add(
                "structure",
                where,
                f"`{member.name}` is {shape(item).lower()}, expected an array of {member.type}.",
            )
            return
        self.count(item, member, where)
        self.entries(item, member, siblings.get(f"_{member.name}"), where)

    def entries(self, item: list[Any], member: Member, extensions: Any, where: Place) -> None:
        outside = self.glanced
        valid = self.glance(item, member)
        for index, entry in enumerate(item):
            if self.full:
                return
            if valid(entry):
                continue
            if entry is None and member.extensible and _padded(extensions, index, len(item)):
                continue
            self.one(entry, member, where.at(index))
        self.glanced = outside

    def glance(self, item: list[Any], member: Member) -> Check:
        """Return the fast predicate for the entries of a long array, whose faults are few.

        Only for the outermost one: what is nested in it would be looked at again at each level.
        """
        if len(item) < MANY or self.glanced:
            return _unseen
        self.glanced = True
        return one(member, True)

    def count(self, item: list[Any], member: Member, where: Place) -> None:
        least, most = member.element.min, member.element.max
        if not item:
            self.add("structure", where, f"`{member.name}` is an empty array. Leave it out.")
        elif len(item) < least:
            self.add(
                "required",
                where,
                f"`{member.name}` has {len(item)} entries, expected {least} or more.",
            )
        elif most is not None and len(item) > most:
            self.add(
                "structure",
                where,
                f"`{member.name}` has {len(item)} entries, expected {most} at most.",
            )

    def one(self, item: Any, member: Member, where: Place) -> None:
        if member.type == "Resource":
            self.inner(item, member, where)
        elif member.primitive:
            self.primitive(item, member, where)
        else:
            before = len(self.issues)
            self.object(item, member.type, where)
            if len(self.issues) == before:
                self.meaning(item, member, where)

    def primitive(self, item: Any, member: Member, where: Place) -> None:
        if not CHECKS[member.type](item):
            if member.type == "xhtml" and isinstance(item, str):
                self.add("invariant", where, narrative(item))
                return
            code = "structure" if item is None or isinstance(item, list | dict) else "value"
            self.add(
                code,
                where,
                f"{quoted(item)} is not a valid {member.type}: expected {EXPECTED[member.type]}.",
            )
            return
        value_set = tables.value_set(member.element.value_set)
        if value_set is not None and item not in value_set.codes:
            what = f"{quoted(item)} is not"
            self.add("code-invalid", where, not_in(what, member, value_set, [item]))

    def meaning(self, item: dict[str, Any], member: Member, where: Place) -> None:
        """What a well-formed reference or concept says."""
        value_set = tables.value_set(member.element.value_set)
        if value_set is not None and not bindings.covers(value_set, item):
            given = [coding.get("code", "") for coding in item.get("coding", ())]
            self.add("code-invalid", where, not_in("No coding is", member, value_set, given))
        if member.type == "Reference" and not references.allowed(
            item, references.targets(member.element)
        ):
            self.add("value", where.member("reference"), wrong_target(item["reference"], member))

    def extended(
        self, name: str, value: dict[str, Any], known: dict[str, Member], place: Place
    ) -> bool:
        """Check `_name`, which holds the id and extensions of the primitive `name`."""
        member = known.get(name[1:])
        if member is None or not member.extensible:
            return False
        where = place.member(member.path, name)
        item = value[name]
        if not member.many:
            self.extension_of(item, value.get(member.name) is not None, where)
        elif not isinstance(item, list) or not item:
            self.add(
                "structure",
                where,
                f"`{name}` is {shape(item).lower()}, expected an array beside `{member.name}`.",
            )
        else:
            self.padding(item, value.get(member.name), member, where)
        return True

    def extension_of(self, item: Any, valued: bool, where: Place) -> None:
        """What stands beside a primitive; an id alone is enough if there is a value (ele-1)."""
        if valued and isinstance(item, dict) and len(item) == 1 and "id" in item:
            self.contents(item, "Element", where)
        else:
            self.object(item, "Element", where)

    def padding(self, item: list[Any], values: Any, member: Member, where: Place) -> None:
        if isinstance(values, list) and len(values) != len(item):
            self.add(
                "structure",
                where,
                f"`_{member.name}` has {len(item)} entries, expected {len(values)} as in `{member.name}`.",
            )
        for index, entry in enumerate(item):
            if self.full:
                return
            if entry is not None:
                valued = isinstance(values, list) and values[index : index + 1] not in ([], [None])
                self.extension_of(entry, valued, where.at(index))
            elif not isinstance(values, list):
                self.add(
                    "structure",
                    where.at(index),
                    f"`null` stands for a value, but there is no `{member.name}`.",
                )


def _unseen(_: Any) -> bool:
    return False


def _padded(extensions: Any, index: int, length: int) -> bool:
    """Return whether a null has an extension in its place."""
    return (
        isinstance(extensions, list) and len(extensions) == length and extensions[index] is not None
    )
