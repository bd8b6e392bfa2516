"""From the parameters of a search to what is asked: nothing is ignored in silence.

https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from fhir_server.search import filter as filters
from fhir_server.search import words
from fhir_server.search.chain import Reader
from fhir_server.search.control import CONTROLS, Controls, controls
from fhir_server.search.nodes import Criterion, Listed, Node, Text
from fhir_server.search.parameters import R4
from fhir_server.search.text import unescape
from fhir_server.tables import RESOURCE_TYPES
from kernel import ids
from kernel.errors import BadValue, Invalid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_server.search.parameters import Known

__all__ = ["Criterion", "Query", "parse"]

MOST_CRITERIA: Final = 100
"""A longer search is a batch."""
SPECIAL: Final = frozenset({"_list", "_text", "_content", "_filter"})
LATER: Final = frozenset({"_query"})


@dataclass(frozen=True, slots=True)
class Query:
    """A search that was understood; for each type, all of its `criteria` must hold.

    `ignored` are the names of the parameters that lenient handling left out, `empty` those without
    a value; `asked` is the search as it was understood.
    """

    types: tuple[str, ...]
    criteria: dict[str, tuple[Node, ...]]
    controls: Controls
    ignored: tuple[str, ...] = ()
    asked: tuple[tuple[str, str], ...] = field(default=())
    empty: tuple[str, ...] = ()

    @property
    def type(self) -> str:
        """The one type; "" if several are searched."""
        return self.types[0] if len(self.types) == 1 else ""


def parse(
    types: str | Sequence[str],
    parameters: Sequence[tuple[str, str]],
    *,
    lenient: bool,
    default_count: int,
    max_count: int,
    known: Known = R4,
) -> Query:
    """Return what the decoded name and value pairs ask for.

    Raises:
        Invalid: a parameter that a type does not have, unless `lenient`; a modifier that does not
            fit or is not built, always.
        BadValue: a value without the form that its parameter needs.
    """
    wanted = (types,) if isinstance(types, str) else tuple(types)
    if len(parameters) > MOST_CRITERIA:
        raise Invalid(
            f"The search has {len(parameters)} parameters; {MOST_CRITERIA} are allowed.",
            code="too-costly",
        )
    controlled: list[tuple[str, str]] = []
    criteria: dict[str, list[Node]] = {type: [] for type in wanted}
    ignored: list[str] = []
    for name, value in parameters:
        if name.partition(":")[0] in CONTROLS:
            controlled.append((name, value))
            continue
        nodes = [_node(type, name, value, known, lenient=lenient) for type in wanted]
        if None in nodes:  # what one type does not have is no condition on the others either
            ignored.append(name)
            continue
        for type, node in zip(wanted, nodes, strict=True):
            if node is not None:
                criteria[type].append(node)
    found = controls(
        wanted, controlled, default_count=default_count, max_count=max_count, known=known
    )
    return Query(
        wanted,
        {type: tuple(nodes) for type, nodes in criteria.items()},
        found,
        tuple(dict.fromkeys(ignored)),
        tuple(parameters),
    )


def _node(type: str, name: str, value: str, known: Known, *, lenient: bool) -> Node | None:
    """Return one criterion, None if lenient handling leaves it out."""
    if name in SPECIAL:
        return _special(type, name, value, known)
    if name in LATER:
        raise Invalid(f"`{name}` names a query of the server's own, and there is none.")
    reader = Reader(known)
    try:
        return reader.read(type, name, value)
    except Invalid as error:
        if lenient and not isinstance(error, BadValue) and reader.unknown:
            return None
        raise


def _special(type: str, name: str, value: str, known: Known) -> Node:
    if not value.strip():
        raise BadValue(f"The search parameter `{name}` has no value.")
    if name == "_filter":
        return filters.read(type, value, known)
    if name == "_list":
        return Listed(_lists(value))
    return Text(words.read(unescape(value)), narrative=name == "_text")


def _lists(value: str) -> tuple[str, ...]:
    found = []
    for one in value.split(","):
        id = one.strip().removeprefix("List/")
        if id.startswith("$"):
            raise Invalid(
                f"The functional list `{id[:60]}` is not kept here; name a List by its id.",
                code="not-supported",
            )
        if not ids.valid(id):
            raise BadValue(f"`_list` takes the ids of Lists, not `{one[:60]}`.")
        found.append(id)
    return tuple(found)


def every_type(text: str) -> tuple[str, ...]:
    """Return the types that `_type` names; all if it names none.

    Raises:
        Invalid: a name that is no resource type of R4.
    """
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names:
        if name not in RESOURCE_TYPES:
            raise Invalid(f"`_type` names `{name[:60]}`, which is no resource type of FHIR R4.")
    return names or tuple(sorted(RESOURCE_TYPES))
