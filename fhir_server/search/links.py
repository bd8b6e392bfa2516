"""References by parameter: where a resource points to, read from its stored bytes.

https://hl7.org/fhir/R4/references.html

Only the members that hold wanted references are decoded; the rest of the JSON is skipped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final

import msgspec

from fhir_server import fhirpath, jsonio
from fhir_server.search import parameters
from fhir_server.search.parameters import R4
from kernel.errors import FhirError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fhir_server.model import Resource
    from fhir_server.search.custom import Custom
    from fhir_server.search.parameters import Known, Parameter

ANY: Final = "*"
CANONICAL: Final = frozenset({"canonical", "uri"})
FOLLOWED: Final = CANONICAL | {"Reference"}
_STEP: Final = re.compile(r"([^.\[\]]+)(?:\[([^=\]]+)=([^\]]*)\])?(?:\.|$)")

Step = tuple[str, tuple[str, str] | None]
"""A member, and what a member of its values must be."""


@dataclass(frozen=True, slots=True)
class Way:
    """One path to references; no `targets` means any type.

    What is `canonical` is an URL that its target has as `url`, not the place where it is.
    """

    members: str
    canonical: bool
    targets: frozenset[str] = frozenset()

    def admits(self, type: str) -> bool:
        return not self.targets or type in self.targets


@dataclass(frozen=True, slots=True)
class Artifact:
    """What a canonical names: the `url` and the `version` of a resource, "" if it has none."""

    url: str = ""
    version: str = ""


NOTHING: Final = Artifact()


class Reader:
    """Reads the references of one type along some ways."""

    def __init__(self, type: str, ways: Iterable[Way]) -> None:
        self._ways = [(way, _steps(way.members)) for way in ways]
        roots = dict.fromkeys(steps[0][0] for _, steps in self._ways)
        # The members have names that Python keeps for itself, such as `for` of Task.
        names = {root: f"m{at}" for at, root in enumerate(roots)}
        self._decoder = msgspec.json.Decoder(
            msgspec.defstruct(
                f"{type}Links",
                [(name, Any, None) for name in names.values()],
                rename={name: root for root, name in names.items()},
            )
        )
        self._entries = [(names[steps[0][0]], way, steps) for way, steps in self._ways]

    def read(self, body: bytes) -> list[tuple[str, Way]]:
        """Return the references of a resource, as written, each with the way to it."""
        if not self._entries:
            return []
        given = self._decoder.decode(body)
        found: list[tuple[str, Way]] = []
        for name, way, steps in self._entries:
            value = getattr(given, name)
            if value is not None:
                found += _references(value, way, steps)
        return found

    def of(self, resource: Resource) -> list[tuple[str, Way]]:
        """Return the same of a resource that is decoded already."""
        return [
            found
            for way, steps in self._ways
            if (value := resource.get(steps[0][0])) is not None
            for found in _references(value, way, steps)
        ]


def links(resource: Resource, parameter: str, known: Known = R4) -> list[str]:
    """Return the references that a resource has under a parameter of its type, as written.

    `#…`, a part of the resource itself, is none. `*` stands for all reference parameters of R4;
    those made over REST are `computed`.
    """
    type = resource["resourceType"]
    wanted = frozenset((found, "") for found in selected(type, parameter, known))
    return list(dict.fromkeys(text for text, _ in reader(type, wanted).of(resource)))


@lru_cache(maxsize=1024)
def reader(type: str, wanted: frozenset[tuple[Parameter, str]]) -> Reader:
    """Return a reader for parameters of a type, each with the only target type ("": any)."""
    targets: dict[tuple[str, bool], list[frozenset[str]]] = {}
    for parameter, target in sorted(wanted, key=lambda pair: (pair[0].name, pair[1])):
        if target and parameter.targets and target not in parameter.targets:
            continue
        only = frozenset({target} if target else parameter.targets)
        for path in parameter.paths:
            if path.datatype in FOLLOWED and path.members:
                way = (path.members, path.datatype in CANONICAL)
                targets.setdefault(way, []).append(only)
    return Reader(
        type,
        [
            Way(members, canonical, frozenset().union(*only) if all(only) else frozenset())
            for (members, canonical), only in targets.items()
        ],
    )


def is_computed(parameter: Parameter) -> bool:
    """Return whether a parameter was made over REST: it has an expression and no path."""
    return all(not path.members for path in parameter.paths)


def is_canonical(parameter: Parameter) -> bool:
    """Return whether a parameter looks at canonicals, which name what they refer to by its `url`."""
    return any(path.datatype in CANONICAL for path in parameter.paths)


def computed(customs: Sequence[tuple[Custom, str]], body: bytes) -> list[tuple[str, Way]]:
    """Return the references that expressions find, each custom with the only target type."""
    node = fhirpath.root(jsonio.decode(body))
    found = []
    for custom, target in customs:
        targets = frozenset({target} if target else custom.parameter.targets)
        try:
            items = custom.expression.evaluate(node, resolve=fhirpath.stub)
        except FhirError:  # as in the index: an expression that does not fit finds nothing
            continue
        for item in items:
            way = Way("", item.type in CANONICAL, targets)
            found += _references(item.value, way, (("", None),))
    return found


def followed(parameter: Parameter) -> bool:
    """Return whether a parameter leads to other resources."""
    return parameter.kind == "reference" and any(
        path.datatype in FOLLOWED for path in parameter.paths
    )


def selected(type: str, name: str, known: Known = R4) -> tuple[Parameter, ...]:
    """Return the parameter of a name, or for `*` all of the type, that lead to other resources."""
    if name != ANY:
        found = known.of(type).get(name)
        return (found,) if found is not None and followed(found) else ()
    own = _all(type)
    extra = known.custom.get(type, {})
    return (*own, *(extra[n] for n in sorted(extra) if n not in R4.of(type) and followed(extra[n])))


@cache
def _all(type: str) -> tuple[Parameter, ...]:
    rows = R4.of(type)
    return tuple(rows[name] for name in sorted(rows) if followed(rows[name]))


def targets(selected: Iterable[Parameter]) -> frozenset[str]:
    """Return the types that the parameters may refer to, none for any type."""
    found = [parameter.targets for parameter in selected]
    return frozenset(target for row in found for target in row) if all(found) else frozenset()


def prefixes(selected: Iterable[Parameter], target: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return how the tokens of parameters begin by which a referrer to a `target` is found.

    First of references, to be followed by `Type/id`, then of canonicals, by an URL.
    """
    literal: dict[str, None] = {}
    canonical: dict[str, None] = {}
    for parameter in selected:
        if parameter.targets and target not in parameter.targets:
            continue
        for path in parameter.paths:
            if path.datatype in FOLLOWED:
                kept = canonical if path.datatype in CANONICAL else literal
                kept[f"{parameter.type}.{path.key}="] = None
    return tuple(literal), tuple(canonical)


@cache
def canonical_types() -> frozenset[str]:
    """Return the types whose resources a canonical can name: those with a parameter `url`."""
    return frozenset(
        type
        for type in parameters.types()
        if (found := parameters.of(type).get("url")) is not None and found.paths
    )


def artifact(body: bytes) -> Artifact:
    """Return the `url` and `version` of a resource."""
    given = _ARTIFACT.decode(body)
    return Artifact(
        given.url if isinstance(given.url, str) else "",
        given.version if isinstance(given.version, str) else "",
    )


class _Given(msgspec.Struct):
    url: Any = None
    version: Any = None


_ARTIFACT: Final = msgspec.json.Decoder(_Given)


def _references(value: Any, way: Way, steps: Sequence[Step]) -> list[tuple[str, Way]]:
    """Return the references in the value of a first step; `#…` is none to another resource."""
    found = []
    for item in _values(value, steps):
        text = item
        if not way.canonical:
            text = item.get("reference") if isinstance(item, dict) else None
        if isinstance(text, str) and text and text[0] != "#":
            found.append((text, way))
    return found


def _steps(members: str) -> tuple[Step, ...]:
    return tuple(
        (name, (member, value) if member else None)
        for name, member, value in _STEP.findall(members)
    )


def _values(value: Any, steps: Sequence[Step]) -> list[Any]:
    """Return what the value of a first step holds at the end of all steps."""
    found = _passing(value if isinstance(value, list) else [value], steps[0][1])
    for name, filter in steps[1:]:
        following: list[Any] = []
        for item in found:
            inner = item.get(name) if isinstance(item, dict) else None
            if isinstance(inner, list):
                following += inner
            elif inner is not None:
                following.append(inner)
        found = _passing(following, filter)
    return found


def _passing(values: list[Any], filter: tuple[str, str] | None) -> list[Any]:
    if filter is None:
        return values
    member, wanted = filter
    return [value for value in values if isinstance(value, dict) and value.get(member) == wanted]
