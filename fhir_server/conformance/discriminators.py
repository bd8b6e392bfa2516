"""Discriminators: which slice an entry belongs to.

https://hl7.org/fhir/R4/profiling.html#discriminator

A path is walked twice: through the rules of a slice, to learn what it fixes there, and through the
entry, to see what it has there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from fhir_server import fhirpath
from fhir_server.conformance.profiles import as_root
from fhir_server.conformance.rules import Rule, Type, Value
from fhir_server.conformance.values import meets
from fhir_server.fhirpath.node import step

if TYPE_CHECKING:
    from fhir_server.conformance.profiles import Profile, Profiles
    from fhir_server.conformance.rules import Discriminator
    from fhir_server.fhirpath import Node

_STEP: Final = re.compile(
    r"\$this|(resolve)\(\)|(extension)\(\s*['\"]([^'\"]{1,400})['\"]\s*\)"
    r"|(ofType|as)\(\s*([A-Za-z.]{1,80})\s*\)|([A-Za-z][A-Za-z0-9]{0,80})(?:\[x\])?"
)
_REFERRING: Final = frozenset({"Reference", "canonical", "uri"})
_LONGEST: Final = 20  # steps of a path


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a path: `kind` is child, resolve, extension or type."""

    kind: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """What a slice says about the end of a path.

    `many` marks one of several slices there, of which any one will do. `near` is the package that
    says so.
    """

    rule: Rule
    near: str
    many: bool = False


Resolve = Callable[["Node"], "Node | None"]


def steps(path: str) -> tuple[Step, ...] | None:
    """Return the steps of a discriminator's path; None if it is not of the allowed subset."""
    found: list[Step] = []
    at = 0
    while at < len(path):
        match = _STEP.match(path, at)
        if match is None or len(found) > _LONGEST:
            return None
        at = match.end()
        if at < len(path):
            if path[at] != ".":
                return None
            at += 1
        if match[0] == "$this":
            continue
        found.append(_step(match))
    return tuple(found)


def _step(match: re.Match[str]) -> Step:
    if match[1]:
        return Step("resolve")
    if match[2]:
        return Step("extension", match[3])
    if match[4]:
        return Step("type", match[5].rpartition(".")[2])
    return Step("child", match[6])


def select(node: Node, path: tuple[Step, ...], resolve: Resolve) -> list[Node] | None:
    """Return what an entry has at the end of a path; None if a reference leads out of sight."""
    nodes = [node]
    for part in path:
        following: list[Node] = []
        for current in nodes:
            if part.kind == "child":
                step(current, part.name, following)
            elif part.kind == "extension":
                following += _extensions(current, part.name)
            elif part.kind == "type":
                following += [current] if part.name in current.kind.ancestors else []
            else:
                found = resolve(current)
                if found is None:
                    return None
                following.append(found)
        nodes = following
    return nodes


def _extensions(node: Node, url: str) -> list[Node]:
    found: list[Node] = []
    step(node, "extension", found)
    return [
        inner for inner in found if isinstance(inner.value, dict) and inner.value.get("url") == url
    ]


def locate(profiles: Profiles, rule: Rule, near: str, path: tuple[Step, ...]) -> list[Place]:
    """Return what a slice says at the end of a path."""
    places = [Place(rule, near)]
    for part in path:
        places = [found for place in places for found in _go(profiles, place, part)]
    return places


def _go(profiles: Profiles, place: Place, part: Step) -> list[Place]:
    if part.kind == "resolve":
        return _targets(profiles, place)
    if part.kind == "type":
        return _of_type(place, part.name)
    if part.kind == "extension":
        return _extension(profiles, place, part.name)
    derived = _derived(place, part.name)
    return derived or _child(profiles, place, part.name)


def _derived(place: Place, name: str) -> list[Place]:
    """A pattern says what its members are."""
    value = place.rule.value
    if value is None or not isinstance(value.value, dict) or name not in value.value:
        return []
    inner = value.value[name]
    return [
        Place(Rule(place.rule.id, name, min=1, value=Value(item, value.exact)), place.near)
        for item in (inner if isinstance(inner, list) else [inner])
    ]


def _child(profiles: Profiles, place: Place, name: str) -> list[Place]:
    child = place.rule.child(name)
    near = place.near
    if child is None:
        for profile in _definitions(profiles, place):
            child, near = profile.root.child(name), profile.package
            if child is not None:
                break
    if child is None:
        return []
    wanted = [inner for inner in child.slices if inner.min] or list(child.slices)
    some = not any(inner.min for inner in child.slices)
    return [
        Place(child, near, place.many),
        *(Place(inner, near, place.many or some) for inner in wanted),
    ]


def _definitions(profiles: Profiles, place: Place) -> list[Profile]:
    """Return the profiles that an element must conform to, or else its type."""
    named = [profiles.find(profile, place.near) for profile in place.rule.profiles]
    found = [profile for profile in named if profile is not None]
    types = [] if found else [profiles.of_type(type.code) for type in place.rule.types]
    return found or [profile for profile in types if profile is not None]


def _targets(profiles: Profiles, place: Place) -> list[Place]:
    found = []
    for type in place.rule.types:
        if type.code in _REFERRING:
            for target in type.targets:
                profile = profiles.find(target, place.near)
                if profile is not None:
                    found.append(Place(as_root(profile), profile.package, len(type.targets) > 1))
    return found


def _of_type(place: Place, name: str) -> list[Place]:
    if any(type.code == name for type in place.rule.types):
        narrowed = tuple(type for type in place.rule.types if type.code == name)
        rule = place.rule
        return [Place(_with_types(rule, narrowed), place.near, place.many)]
    return []


def _with_types(rule: Rule, types: tuple[Type, ...]) -> Rule:
    return Rule(
        rule.id,
        rule.name,
        rule.slice,
        rule.min,
        rule.max,
        types,
        rule.value,
        rule.binding,
        children=rule.children,
    )


def _extension(profiles: Profiles, place: Place, url: str) -> list[Place]:
    for name in ("extension", "modifierExtension"):
        child = place.rule.child(name)
        for inner in child.slices if child is not None else ():
            if is_extension(inner, url):
                return [Place(inner, place.near, place.many)]
    profile = profiles.find(url, place.near)
    return [] if profile is None else [Place(as_root(profile), profile.package, place.many)]


def is_extension(rule: Rule, url: str) -> bool:
    """Return whether a slice is of the extension with this URL."""
    child = rule.child("url")
    if child is not None and child.value is not None:
        return bool(child.value.value == url)
    return any(profile.partition("|")[0] == url for profile in rule.profiles)


MemberOf = Callable[[Any, str, str], bool | None]
"""Whether a coded value is in a value set, asked near a package."""

Conforms = Callable[["Node", str, str], bool | None]
"""Whether a node conforms to a profile, asked near a package."""


@dataclass(frozen=True, slots=True)
class Judge:
    """What deciding needs besides the rules."""

    profiles: Profiles
    resolve: Resolve
    member: MemberOf
    conforms: Conforms
    known: dict[tuple[Rule, str], tuple[tuple[Step, ...], list[Place]] | None] = field(
        default_factory=dict
    )
    """What a slice says at the end of a path, learnt once for all entries."""

    def told(
        self, slice: Rule, near: str, path: str
    ) -> tuple[tuple[Step, ...], list[Place]] | None:
        """Return the steps of a path and what a slice says at its end; None if it makes no sense."""
        key = (slice, path)
        if key not in self.known:
            parts = steps(path)
            self.known[key] = (
                None if parts is None else (parts, locate(self.profiles, slice, near, parts))
            )
        return self.known[key]


def belongs(
    judge: Judge, node: Node, slice: Rule, near: str, discriminator: Discriminator
) -> bool | None:
    """Return whether an entry is of a slice, by one discriminator; None if it cannot be told."""
    if discriminator.path == "url" and not slice.children and slice.profiles:
        # By far the most frequent: an extension, told by the profile's own URL.
        value = node.value
        return isinstance(value, dict) and is_extension(slice, str(value.get("url")))
    told = judge.told(slice, near, discriminator.path)
    decide = _DECIDE.get(discriminator.type)
    return None if decide is None or told is None else decide(judge, node, told[1], told[0])


def _by_value(judge: Judge, node: Node, places: list[Place], path: tuple[Step, ...]) -> bool | None:
    saying = [place for place in places if _says(place.rule)]
    if not saying:
        return _by_existence(judge, node, places, path)
    found = select(node, path, judge.resolve)
    if found is None:
        return None
    needed = [place for place in saying if not place.many]
    answers = [_any([_meets(judge, item, place) for item in found]) for place in needed or saying]
    if needed:
        return False if False in answers else None if None in answers else True
    return _any(answers)


def _says(rule: Rule) -> bool:
    bound = rule.binding is not None and rule.binding.strength == "required"
    return rule.value is not None or bound or bool(_fixed_inside(rule))


def _fixed_inside(rule: Rule) -> list[Rule]:
    return [child for child in rule.children if child.min and child.value is not None]


def _meets(judge: Judge, node: Node, place: Place) -> bool | None:
    rule = place.rule
    if rule.value is not None:
        return meets(node.value, rule.value)
    if inside := _fixed_inside(rule):
        return all(_child_meets(node, child) for child in inside)
    if rule.binding is None:
        return None
    return judge.member(node.value, rule.binding.value_set, place.near)


def _child_meets(node: Node, rule: Rule) -> bool:
    found: list[Node] = []
    step(node, rule.stem, found)
    return rule.value is not None and any(meets(item.value, rule.value) for item in found)


def _any(answers: list[bool | None]) -> bool | None:
    return True if True in answers else None if None in answers else False


def _by_type(judge: Judge, node: Node, places: list[Place], path: tuple[Step, ...]) -> bool | None:
    codes = {type.code for place in places for type in place.rule.types}
    if not codes:
        return None
    found = select(node, path, judge.resolve)
    if found is None:
        # What is referred to may be out of sight, and the reference still says its type.
        before = select(node, path[:-1], judge.resolve) if path[-1].kind == "resolve" else None
        stubs = [_stub(item) for item in before or ()]
        found = [stub for stub in stubs if stub is not None]
        if len(found) < len(stubs) or before is None:
            return None
    return any(not codes.isdisjoint(item.kind.ancestors) for item in found)


def _stub(node: Node) -> Node | None:
    reference = node.value.get("reference") if isinstance(node.value, dict) else node.value
    stub = fhirpath.stub(reference) if isinstance(reference, str) else None
    return None if stub is None else fhirpath.root(stub)


def _by_existence(
    judge: Judge, node: Node, places: list[Place], path: tuple[Step, ...]
) -> bool | None:
    if any(place.rule.max == 0 for place in places):
        wanted = False
    elif any(place.rule.min for place in places):
        wanted = True
    else:
        return None
    found = select(node, path, judge.resolve)
    return None if found is None else bool(found) == wanted


def _by_profile(
    judge: Judge, node: Node, places: list[Place], path: tuple[Step, ...]
) -> bool | None:
    wanted = [(profile, place.near) for place in places for profile in place.rule.profiles]
    if not wanted:
        return None
    found = select(node, path, judge.resolve)
    if found is None:
        return None
    return _any([judge.conforms(item, *profile) for item in found for profile in wanted])


_DECIDE: Final[dict[str, Callable[[Judge, Node, list[Place], tuple[Step, ...]], bool | None]]] = {
    "value": _by_value,
    "pattern": _by_value,
    "exists": _by_existence,
    "type": _by_type,
    "profile": _by_profile,
}
