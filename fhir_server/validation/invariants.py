"""The level `strict`: all invariants of R4 whose breach is an error and that are not checked before.

https://hl7.org/fhir/R4/conformance-rules.html#constraints

Each is compiled once, and evaluated only where the element that it is about occurs: by hand where
that is easy, and as FHIRPath.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, Final, NamedTuple

from fhir_server import fhirpath, tables
from fhir_server.fhirpath import Expression, Node
from fhir_server.fhirpath.kinds import kind
from fhir_server.validation.byhand import Holds, is_broken, others
from fhir_server.validation.members import Member, members
from fhir_server.validation.place import Place
from fhir_server.validation.sentences import sentence
from kernel.errors import Invalid, Issue

MOST: Final = 100
"""Broken invariants that are listed."""

Json = dict[str, Any]
Rule = tuple[tables.Invariant, Holds | Expression]


class _Spot(NamedTuple):
    """A place in the tree whose node is made when an invariant asks for it."""

    value: Any
    type: str
    above: _Spot | None = None
    member: Member | None = None
    number: int | None = None
    extra: Any = None

    def node(self) -> Node:
        if self.above is None or self.member is None:
            return fhirpath.root(self.value, self.type)
        above = self.above.node()
        name = self.member.path
        return Node(self.value, kind(self.type), self.extra, above, name, self.number)

    def place(self) -> Place:
        if self.above is None or self.member is None:
            return Place(self.type)
        place = self.above.place().member(self.member.path, self.member.name)
        return place if self.number is None else place.at(self.number)


class _Step(NamedTuple):
    """What to do with a member: rules of the element itself, and whether to look inside."""

    member: Member
    rules: tuple[Rule, ...]


def faults(resource: Json, type: str, known: list[Issue]) -> list[Issue]:
    """Return the invariants that are broken, but where something is wrong already."""
    wrong = {path for issue in known for path in issue.expression}
    found: list[Issue] = []
    for spot, (rule, holds) in _judged(resource, type):
        issue = _judge(spot, rule, holds)
        if issue is not None and not (wrong and _is_known(issue.expression[0], wrong)):
            found.append(issue)
            if len(found) >= MOST:
                break
    return found


def _is_known(path: str, wrong: set[str]) -> bool:
    """Return whether a fault in the structure is at the place, in it, or around it."""
    return any(path.startswith(other) or other.startswith(path) for other in wrong)


def _judge(spot: _Spot, rule: tables.Invariant, holds: Holds | Expression) -> Issue | None:
    try:
        if not _is_broken(spot, holds):
            return None
        said, code = sentence(rule), "invariant"
    except Invalid as error:
        said = f"The invariant {rule.key} cannot be judged: {error}"
        code = error.issues[0].code if error.issues[0].code == "too-costly" else "invariant"
    place = spot.place()
    return Issue(code, said, (place.path,), pointer=place.pointer)


def _is_broken(spot: _Spot, holds: Holds | Expression) -> bool:
    if isinstance(holds, Expression):
        return not holds.holds(spot.node())
    return is_broken(holds, spot.value)


def _judged(resource: Json, type: str) -> Iterator[tuple[_Spot, Rule]]:
    """Yield each place in document order, with each invariant of its type or element."""
    todo = [_Spot(resource, type)]
    while todo:
        spot = todo.pop()
        for rule in _rules(spot.type):
            yield spot, rule
        inner: list[_Spot] = []
        for name, item in spot.value.items():
            step = _plan(spot.type).get(name)
            if step is not None:
                for child in _children(spot, step.member, item):
                    for rule in step.rules:
                        yield child, rule
                    if not step.member.primitive and child.value.__class__ is dict:
                        inner.append(child)
        todo.extend(reversed(inner))


def _children(spot: _Spot, member: Member, item: Any) -> Iterator[_Spot]:
    extra = spot.value.get(f"_{member.name}") if member.primitive else None
    if not member.many:
        yield _Spot(item, _type(item, member), spot, member, None, extra)
    elif item.__class__ is list:
        extras = extra if extra.__class__ is list else []
        for index, entry in enumerate(item):
            own = extras[index] if index < len(extras) else None
            yield _Spot(entry, _type(entry, member), spot, member, index, own)


def _type(value: Any, member: Member) -> str:
    if member.type != "Resource" or value.__class__ is not dict:
        return member.type
    said = value.get("resourceType")
    return said if said.__class__ is str and said in tables.RESOURCE_TYPES else "Resource"


@cache
def _rules(path: str) -> tuple[Rule, ...]:
    found = others(path)
    return tuple((rule, holds or fhirpath.compile(rule.expression)) for rule, holds in found)


@cache
def _plan(type: str) -> dict[str, _Step]:
    """Return the members that may have something to judge: themselves, or inside."""
    found: dict[str, _Step] = {}
    for name, member in members(type).items():
        if f"{type}.{member.path}" == member.type:  # a backbone type has its rules under its name
            rules: tuple[Rule, ...] = ()
        else:
            choice = f"{type}.{member.path}[x]"
            rules = _rules(f"{type}.{member.path}") + _rules(choice)
        if rules or not member.primitive:
            found[name] = _Step(member, rules)
    return found
