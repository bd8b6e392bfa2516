"""Everything that a resource can be found by: the index side of search.

https://hl7.org/fhir/R4/search.html

For each type, the paths of all its parameters are merged into one tree of JSON members, made when
the first resource of the type comes. Only members that a resource has are visited, each once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from fhir_server.search import contained, custom, parameters
from fhir_server.search.kind import Facts, Index, kind_of
from fhir_server.search.tokens import compartment_token, presence, token, type_token
from kernel.errors import BadStructure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from zoneinfo import ZoneInfo

    from fhir_server.model import Resource
    from fhir_server.search.custom import Custom


@dataclass(frozen=True, slots=True)
class Indexed:
    """What is stored beside a resource so that it can be found.

    `ranges` are (key, first, last) in milliseconds, `quantities` (key, low, high, units); `patient` is the token of `Patient/id` if the
    resource is about exactly one; `date` is when it happened, if it says so.
    """

    tokens: tuple[int, ...]
    strings: tuple[str, ...]
    ranges: tuple[tuple[int, int, int], ...]
    quantities: tuple[tuple[int, float, float, tuple[int, ...]], ...]
    patient: int | None
    date: int | None
    texts: tuple[str, ...] = ()
    present: tuple[int, ...] = ()
    point: tuple[float, float] | None = None  # longitude, latitude


@dataclass(slots=True)
class Branch:
    """One JSON member: what to do with its values, where to go on, and where only if a filter holds."""

    leaves: list[Index] = field(default_factory=list)
    members: dict[str, Branch] = field(default_factory=dict)
    filtered: dict[tuple[str, str], Branch] = field(default_factory=dict)


MARKED: Final = frozenset({"token", "reference", "uri"})
"""Kinds whose `:missing` asks for the mark of an element; the others have an index to ask."""
_STEP: Final = re.compile(r"(?:[^.\[]|\[[^\]]*\])+")  # a filter may have dots: `[url=http://a.b]`
Item = TypeVar("Item")
Tree = dict[str, Index]
"""For each JSON member, what to do with its value."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What indexing needs to know of a type."""

    tree: Tree
    dates: tuple[int, ...]  # range keys of the primary date, best first
    owner: frozenset[str]  # keys of the references that say whose it is
    compartment: frozenset[str]  # keys of the references that put it into a patient's compartment


def index(
    resource: Resource,
    zone: ZoneInfo | None = None,
    customs: Sequence[Custom] = (),
    named: str = "",
) -> Indexed:
    """Return all that `resource` can be found by; `zone` is of dates without an offset (UTC).

    `customs` are the parameters made over REST for its type; `named` is the name under which it is
    indexed if that is not its type.

    Raises:
        BadStructure: the resource does not have the structure of its type.
    """
    type = resource.get("resourceType")
    if not isinstance(type, str):
        raise BadStructure("The resource has no `resourceType`.")
    plan, facts = _plan(type), Facts(zone)
    facts.tokens.append(type_token(named or type))
    try:
        _walk(_contained_tree(type) if named and named != type else plan.tree, resource, facts)
        _besides(resource, type, facts)
        if customs:
            custom.add(resource, customs, facts)
    except (AttributeError, TypeError, LookupError) as error:
        raise BadStructure(f"The resource does not have the structure of `{type}`.") from error
    patient = _whose(type, resource.get("id"), plan, facts)
    return Indexed(
        _once(facts.tokens),
        _once(facts.strings),
        _once(facts.ranges),
        _once(facts.quantities),
        patient,
        _date(plan, facts),
        _once(facts.texts),
        _once(facts.present),
        facts.points[0] if facts.points else None,
    )


def _besides(resource: Resource, type: str, facts: Facts) -> None:
    """Add what no path leads to."""
    if type == "Patient":
        deceased = "deceasedDateTime" in resource or bool(resource.get("deceasedBoolean"))
        facts.tokens.append(token(f"Patient.deceased={'true' if deceased else 'false'}"))
        if "deceasedDateTime" in resource or "deceasedBoolean" in resource:
            facts.present.append(presence(type, "deceased"))
    if type == "Bundle":
        _first(resource, facts)
    for inner in resource.get("contained") or ():
        _contain(inner, facts)


def _once(found: list[Item]) -> tuple[Item, ...]:
    return tuple(dict.fromkeys(found)) if len(found) > 1 else tuple(found)


def _contain(resource: Resource, facts: Facts) -> None:
    """Add what a contained resource is found by, under the name of its type inside another."""
    type = resource.get("resourceType")
    if not isinstance(type, str) or type not in parameters.types():
        return
    facts.tokens.append(type_token(contained.inside(type)))
    _walk(_contained_tree(type), resource, facts)


@cache
def _contained_tree(type: str) -> Tree:
    return _tree(_branches(contained.inside(type)))


def _first(bundle: Resource, facts: Facts) -> None:
    """Add the tokens of the Composition of a document and the MessageHeader of a message."""
    entry: dict[str, Any] = next(iter(bundle.get("entry") or ()), {})
    first = entry.get("resource") or {}
    reference = f"{first.get('resourceType')}/{first['id']}" if "id" in first else None
    for found in (reference, entry.get("fullUrl")):
        if found:
            facts.tokens.append(token(f"Bundle.entry[0].resource={found}"))


def _walk(tree: Tree, element: Resource, facts: Facts) -> None:
    for name, value in element.items():
        visit = tree.get(name)
        if visit is None or value is None:
            continue
        if isinstance(value, list):
            for item in value:
                if item is not None:
                    visit(item, facts)
        else:
            visit(value, facts)


def _compiled(branch: Branch) -> Index:
    """Return one function for all that is to be done with a value of a member."""
    todo = list(branch.leaves)
    if branch.members:
        todo.append(partial(_walk, _tree(branch)))
    todo += [
        partial(_if, name, value, _compiled(b)) for (name, value), b in branch.filtered.items()
    ]
    if len(todo) == 1:
        return todo[0]

    def each(item: Any, facts: Facts) -> None:
        for do in todo:
            do(item, facts)

    return each


def _tree(branch: Branch) -> Tree:
    return {name: _compiled(inner) for name, inner in branch.members.items()}


def _if(name: str, value: str, then: Index, item: Any, facts: Facts) -> None:
    found = item.get(name)
    # `[extension=…]` is FHIRPath's `hasExtension`.
    if found == value or (name == "extension" and any(one["url"] == value for one in found or ())):
        then(item, facts)


def _whose(type: str, id: Any, plan: Plan, facts: Facts) -> int | None:
    """Add the compartments of the patients that a resource is about; return the one owner."""
    if type == "Patient" and id:
        facts.tokens.append(compartment_token(f"Patient/{id}"))
        owners = {f"Patient/{id}"}
    else:
        owners = {target for key, target in facts.references if key in plan.owner}
    for key, target in facts.references:
        if key in plan.compartment:
            facts.tokens.append(compartment_token(target))
    return token(owners.pop()) if len(owners) == 1 else None


def _date(plan: Plan, facts: Facts) -> int | None:
    for wanted in plan.dates:
        for key, low, _ in facts.ranges:
            if key == wanted:
                return low
    return None


@cache
def _plan(type: str) -> Plan:
    if type not in parameters.types():
        raise BadStructure(f"`{type}` is not a resource type of R4.")
    owner = parameters.patient(type)
    return Plan(
        _tree(_branches(type)),
        tuple(token(f"{type}.{key}") for row in parameters.primary(type) for key in row.keys),
        frozenset(owner.keys if owner else ()),
        parameters.compartment(type),
    )


def _branches(type: str) -> Branch:
    root = Branch()
    seen = set()
    for parameter in parameters.of(type).values():
        kind = kind_of(parameter)
        for path in parameter.paths if kind else ():
            # Parameters that share an element share its leaf: one canonical token per fact.
            if kind and (kind.name, path) not in seen:
                seen.add((kind.name, path))
                leaf = kind.index(type, path)
                if kind.name in MARKED:
                    leaf = partial(_mark, presence(type, path.key), leaf)
                _branch(root, path.members).leaves.append(leaf)
    return root


def _mark(mark: int, then: Index, item: Any, facts: Facts) -> None:
    """Note that an element is there: the tokens of its values cannot tell."""
    facts.present.append(mark)
    then(item, facts)


def _branch(at: Branch, members: str) -> Branch:
    for name, filter in _steps(members):
        at = at.members.setdefault(name, Branch())
        if filter is not None:
            at = at.filtered.setdefault(filter, Branch())
    return at


def _steps(members: str) -> Iterator[tuple[str, tuple[str, str] | None]]:
    for step in _STEP.findall(members):
        name, bracket, filter = step.partition("[")
        if bracket and "=" in filter:
            member, _, value = filter[:-1].partition("=")
            yield name, (member, value)
        else:
            yield step, None
