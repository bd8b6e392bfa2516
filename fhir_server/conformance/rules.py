"""Rules: the elements of a snapshot as a tree, with slices beside the element that they slice.

https://hl7.org/fhir/R4/elementdefinition.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Type:
    """A type that an element may have; `targets` are the profiles that a reference may point to."""

    code: str
    profiles: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    aggregation: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Binding:
    """`widest` is the value set beyond which an extensible binding cannot be extended."""

    strength: str
    value_set: str
    widest: str = ""


@dataclass(frozen=True, slots=True)
class Constraint:
    """An invariant."""

    key: str
    severity: str
    human: str
    expression: str


@dataclass(frozen=True, slots=True)
class Discriminator:
    """What tells slices apart: `type` is value, pattern, type, exists or profile."""

    type: str
    path: str


@dataclass(frozen=True, slots=True)
class Slicing:
    """How the entries of an element are divided."""

    discriminators: tuple[Discriminator, ...]
    rules: Literal["open", "closed", "openAtEnd"] = "open"
    ordered: bool = False


@dataclass(frozen=True, slots=True)
class Value:
    """A fixed or pattern value."""

    value: Any
    exact: bool


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One element definition; compared by identity.

    `name` is the last part of the path, `value[x]` for a choice; `slice` is the slice name, "" for
    the element itself. `max` None is unbounded. `children` are definitions of what is inside,
    `slices` of parts of the entries.
    """

    id: str
    name: str
    slice: str = ""
    min: int = 0
    max: int | None = None
    types: tuple[Type, ...] = ()
    value: Value | None = None
    binding: Binding | None = None
    constraints: tuple[Constraint, ...] = ()
    limits: tuple[tuple[str, Any], ...] = ()
    slicing: Slicing | None = None
    slices: tuple[Rule, ...] = ()
    children: tuple[Rule, ...] = ()
    reference: str = ""  # `contentReference`
    modifier: bool = False

    @property
    def stem(self) -> str:
        """The name that a path has: `value`, never `value[x]`."""
        return self.name.removesuffix("[x]")

    def child(self, name: str) -> Rule | None:
        """Return the definition of a child by the name that a path has."""
        return next((rule for rule in self.children if name in (rule.stem, rule.name)), None)

    @property
    def profiles(self) -> tuple[str, ...]:
        return tuple(profile for type in self.types for profile in type.profiles)


class _Draft:
    """A rule while its children are still being read."""

    __slots__ = ("children", "row", "slices")

    def __init__(self, row: Json) -> None:
        self.row = row
        self.children: list[_Draft] = []
        self.slices: list[_Draft] = []

    @property
    def name(self) -> str:
        return str(self.row["path"]).rpartition(".")[2]

    @property
    def slice(self) -> str:
        return str(self.row.get("sliceName", ""))


def tree(rows: list[Json]) -> Rule:
    """Return the root of a snapshot.

    Ids are not needed: an element belongs to the one above it whose path is one step shorter.

    Raises:
        ValueError: an element without a path, or one whose parent is not there.
    """
    latest: dict[str, _Draft] = {}
    root: _Draft | None = None
    for row in rows:
        draft, path = _Draft(row), str(row.get("path", ""))
        if root is None:
            root = draft
        else:
            parent = latest.get(path.rpartition(".")[0])
            if parent is None:
                raise ValueError(f"the element `{path[:120]}` has no parent")
            _place(parent, draft)
        latest[path] = draft
    if root is None:
        raise ValueError("the snapshot has no elements")
    return _rule(root)


def _place(parent: _Draft, draft: _Draft) -> None:
    head = next((child for child in parent.children if _is_head(child, draft)), None)
    if head is None:
        parent.children.append(draft)
        return
    # `first/second` re-slices the slice `first`.
    outer = draft.slice.rpartition("/")[0]
    resliced = _slice(head, outer) if outer else None
    (resliced or head).slices.append(draft)


def _is_head(child: _Draft, draft: _Draft) -> bool:
    """Return whether the draft slices the child: by name, or as `valueCode` does `value[x]`."""
    if child.name == draft.name:
        return True
    stem = child.name.removesuffix("[x]")
    return stem != child.name and draft.name.startswith(stem) and draft.name[len(stem)].isupper()


def _slice(head: _Draft, name: str) -> _Draft | None:
    for draft in head.slices:
        if draft.slice == name:
            return draft
        if (found := _slice(draft, name)) is not None:
            return found
    return None


def _rule(draft: _Draft) -> Rule:
    row = draft.row
    return Rule(
        id=str(row.get("id", row["path"])),
        name=draft.name,
        slice=draft.slice,
        min=_count(row.get("min"), 0) or 0,
        max=_count(row.get("max"), None),
        types=tuple(_type(given) for given in row.get("type", ())),
        value=_value(row),
        binding=_binding(row.get("binding")),
        constraints=tuple(_constraint(c) for c in row.get("constraint", ()) if "expression" in c),
        limits=tuple((key, row[key]) for key in row if key.startswith(_LIMITS)),
        slicing=_slicing(row.get("slicing"), draft),
        slices=tuple(_rule(inner) for inner in draft.slices),
        children=tuple(_rule(inner) for inner in draft.children),
        reference=str(row.get("contentReference", "")),
        modifier=row.get("isModifier") is True,
    )


_LIMITS: Final = ("minValue", "maxValue", "maxLength")
_WIDEST: Final = "http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet"


def _count(given: Any, otherwise: int | None) -> int | None:
    text = str(given)
    return int(text) if text.isdecimal() and len(text) < 10 else otherwise


def _type(given: Json) -> Type:
    return Type(
        str(given.get("code", "")),
        tuple(given.get("profile", ())),
        tuple(given.get("targetProfile", ())),
        frozenset(given.get("aggregation", ())),
    )


def _value(row: Json) -> Value | None:
    for key in row:
        if key.startswith(("fixed", "pattern")):
            return Value(row[key], exact=key.startswith("fixed"))
    return None


def _binding(given: Json | None) -> Binding | None:
    if given is None or "valueSet" not in given:
        return None
    widest = next(
        (
            str(extension.get("valueCanonical", ""))
            for extension in given.get("extension", ())
            if extension.get("url") == _WIDEST
        ),
        "",
    )
    return Binding(str(given.get("strength", "")), str(given["valueSet"]), widest)


def _constraint(given: Json) -> Constraint:
    return Constraint(
        str(given.get("key", "")),
        str(given.get("severity", "error")),
        str(given.get("human", "")),
        str(given["expression"]),
    )


def _slicing(given: Json | None, draft: _Draft) -> Slicing | None:
    if given is None:
        return _implied(draft) if draft.slices else None
    rules = given.get("rules", "open")
    return Slicing(
        tuple(
            Discriminator(str(item.get("type", "value")), str(item.get("path", "$this")))
            for item in given.get("discriminator", ())
        )
        or _implied(draft).discriminators,
        rules if rules in {"closed", "openAtEnd"} else "open",
        given.get("ordered") is True,
    )


def _implied(draft: _Draft) -> Slicing:
    """Extensions are sliced by their URL and choices by their type, even if nobody says so."""
    if draft.name in {"extension", "modifierExtension"}:
        return Slicing((Discriminator("value", "url"),))
    if draft.name.endswith("[x]"):
        return Slicing((Discriminator("type", "$this"),))
    return Slicing(())
