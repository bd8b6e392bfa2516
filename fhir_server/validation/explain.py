"""The slow walker: all faults of a resource, each as a sentence with its FHIRPath.

https://hl7.org/fhir/R4/validation.html
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, Final

from fhir_server import tables
from fhir_server.validation import bindings, references
from fhir_server.validation.members import Member, choices, members, required
from fhir_server.validation.primitives import CHECKS, EXPECTED
from kernel.errors import Issue

MOST: Final = 100
"""Faults that are listed before the walker gives up."""

_QUOTED: Final = 60  # characters of a value in a sentence
_LISTED: Final = 12  # codes of a value set in a sentence


def explain(resource: Any, type: str) -> list[Issue]:
    """Return the first `MOST` faults; empty if the resource is valid."""
    findings = _Findings()
    findings.resource(resource, type, type)
    return findings.issues


class _Findings:
    """The faults found so far, and one method for each shape that may be met."""

    __slots__ = ("issues",)

    def __init__(self) -> None:
        self.issues: list[Issue] = []

    @property
    def full(self) -> bool:
        return len(self.issues) >= MOST

    def add(self, code: str, path: str, sentence: str) -> None:
        if not self.full:
            self.issues.append(Issue(code, sentence, (path,)))

    def resource(self, value: Any, type: str, path: str) -> None:
        if "resourceType" not in value:
            self.add("required", f"{path}.resourceType", unknown_type(None))
        elif value["resourceType"] != type:
            given = _quoted(value["resourceType"])
            sentence = f"`resourceType` is {given}, expected `{type}`."
            self.add("structure", f"{path}.resourceType", sentence)
        self.contents({name: value[name] for name in value if name != "resourceType"}, type, path)

    def inner(self, value: Any, member: Member, path: str) -> None:
        """A resource within another one: contained, or an entry of a Bundle."""
        if not self.is_object(value, "a resource", path):
            return
        type = value.get("resourceType")
        if not isinstance(type, str) or type not in tables.RESOURCE_TYPES:
            self.add("structure", f"{path}.resourceType", unknown_type(type))
            return
        if member.name == "contained" and "contained" in value:
            self.add(
                "invariant",
                f"{path}.contained",
                "A contained resource must not contain others (dom-2). Move them one level up.",
            )
        self.resource(value, type, path)

    def is_object(self, value: Any, expected: str, path: str) -> bool:
        if not isinstance(value, dict):
            self.add("structure", path, f"{_shape(value)} was found, expected {expected}.")
            return False
        if not value:
            self.add("structure", path, f"The object is empty, expected {expected}. Leave it out.")
            return False
        return True

    def object(self, value: Any, type: str, path: str) -> None:
        if self.is_object(value, f"an object of type {type}", path):
            self.contents(value, type, path)

    def contents(self, value: dict[str, Any], type: str, path: str) -> None:
        known = members(type)
        for name, item in value.items():
            if self.full:
                return
            if name in known:
                self.member(item, known[name], value, path)
            elif not (name.startswith("_") and self.extended(name, value, known, path)):
                self.add("structure", f"{path}.{name[:_QUOTED]}", _unknown(name, type, known))
        self.groups(value, type, path)

    def groups(self, value: dict[str, Any], type: str, path: str) -> None:
        for group in required(type):
            if not any(name in value or f"_{name}" in value for name in group.names):
                names = group.names[0] if len(group.names) == 1 else f"{group.path}[x]"
                self.add(
                    "required",
                    f"{path}.{group.path}",
                    f"`{names}` is missing: {type} must have it.",
                )
        for group in choices(type):
            found = [name for name in group.names if name in value or f"_{name}" in value]
            if len(found) > 1:
                listed = " and ".join(f"`{name}`" for name in found)
                self.add(
                    "structure",
                    f"{path}.{group.path}",
                    f"{listed} are given, expected one of them only.",
                )

    def member(self, item: Any, member: Member, siblings: dict[str, Any], path: str) -> None:
        where = f"{path}.{member.path}"
        if not member.many:
            self.one(item, member, where)
            return
        if not isinstance(item, list):
            self.add(
                "structure",
                where,
                f"`{member.name}` is {_shape(item).lower()}, expected an array of {member.type}.",
            )
            return
        self.count(item, member, where)
        extensions = siblings.get(f"_{member.name}")
        for index, entry in enumerate(item):
            if self.full:
                return
            if entry is None and member.extensible and _padded(extensions, index, len(item)):
                continue
            self.one(entry, member, f"{where}[{index}]")

    def count(self, item: list[Any], member: Member, where: str) -> None:
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

    def one(self, item: Any, member: Member, where: str) -> None:
        if member.type == "Resource":
            self.inner(item, member, where)
        elif member.primitive:
            self.primitive(item, member, where)
        else:
            before = len(self.issues)
            self.object(item, member.type, where)
            if len(self.issues) == before:
                self.meaning(item, member, where)

    def primitive(self, item: Any, member: Member, where: str) -> None:
        if not CHECKS[member.type](item):
            code = "structure" if item is None or isinstance(item, list | dict) else "value"
            self.add(
                code,
                where,
                f"{_quoted(item)} is not a valid {member.type}: expected {EXPECTED[member.type]}.",
            )
            return
        value_set = tables.value_set(member.element.value_set)
        if value_set is not None and item not in value_set.codes:
            self.add("code-invalid", where, _not_in(f"{_quoted(item)} is not", member, value_set))

    def meaning(self, item: dict[str, Any], member: Member, where: str) -> None:
        """What a well-formed reference or concept says."""
        value_set = tables.value_set(member.element.value_set)
        if value_set is not None and not bindings.covers(value_set, item):
            self.add("code-invalid", where, _not_in("No coding is", member, value_set))
        if member.type == "Reference" and not references.allowed(
            item, references.targets(member.element)
        ):
            self.add("value", f"{where}.reference", _wrong_target(item["reference"], member))

    def extended(
        self, name: str, value: dict[str, Any], known: dict[str, Member], path: str
    ) -> bool:
        """Check `_name`, which holds the id and extensions of the primitive `name`."""
        member = known.get(name[1:])
        if member is None or not member.extensible:
            return False
        where = f"{path}.{member.path}"
        item = value[name]
        if not member.many:
            self.object(item, "Element", where)
        elif not isinstance(item, list) or not item:
            self.add(
                "structure",
                where,
                f"`{name}` is {_shape(item).lower()}, expected an array beside `{member.name}`.",
            )
        else:
            self.padding(item, value.get(member.name), member, where)
        return True

    def padding(self, item: list[Any], values: Any, member: Member, where: str) -> None:
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
                self.object(entry, "Element", f"{where}[{index}]")
            elif not isinstance(values, list):
                self.add(
                    "structure",
                    f"{where}[{index}]",
                    f"`null` stands for a value, but there is no `{member.name}`.",
                )


def unknown_type(type: Any) -> str:
    """Return the sentence about a `resourceType` that R4 does not have."""
    if type is None:
        return "`resourceType` is missing: every resource says what it is."
    near = get_close_matches(str(type)[:_QUOTED], tables.RESOURCE_TYPES, 1)
    hint = f" Did you mean `{near[0]}`?" if near else ""
    return f"{_quoted(type)} is not a resource type of R4.{hint}"


def _padded(extensions: Any, index: int, length: int) -> bool:
    """Return whether a null has an extension in its place."""
    return (
        isinstance(extensions, list) and len(extensions) == length and extensions[index] is not None
    )


def _unknown(name: str, type: str, known: dict[str, Member]) -> str:
    near = get_close_matches(name[:_QUOTED], known, 1)
    hint = f" Did you mean `{near[0]}`?" if near else ""
    return f"`{name[:_QUOTED]}` is not an element of {type}.{hint}"


def _not_in(what: str, member: Member, value_set: tables.ValueSet) -> str:
    listed = ", ".join(f"`{code}`" for code in list(value_set.codes)[:_LISTED])
    more = ", …" if len(value_set.codes) > _LISTED else ""
    return f"{what} in the value set `{member.element.value_set}`, expected one of {listed}{more}."


def _wrong_target(reference: str, member: Member) -> str:
    kind = references.target(reference)
    if kind not in tables.RESOURCE_TYPES:
        return f"{_quoted(reference)} points to no resource type of R4."
    expected = ", ".join(f"`{target}`" for target in member.element.targets)
    return f"{_quoted(reference)} points to a {kind}, expected a reference to {expected}."


def _shape(value: Any) -> str:
    if value is None:
        return "Null"
    if isinstance(value, dict):
        return "An object"
    if isinstance(value, list):
        return "An array"
    return "A string" if isinstance(value, str) else "A number or boolean"


def _quoted(value: Any) -> str:
    if isinstance(value, dict | list):
        return _shape(value)
    if value is None or isinstance(value, bool):
        return f"`{ {None: 'null', True: 'true', False: 'false'}[value] }`"
    text = str(value)
    return f"`{text[:_QUOTED]}{'…' if len(text) > _QUOTED else ''}`"
