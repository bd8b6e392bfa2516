"""From the parameters of a search to what is asked: nothing is ignored in silence.

https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from fhir_server.search import parameters as registry
from fhir_server.search.control import CONTROLS, Controls, controls
from fhir_server.search.kind import TYPE_MODIFIER, kind_of
from fhir_server.search.text import is_text, split
from kernel.errors import BadValue, Invalid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_server.search.kind import SearchType
    from fhir_server.search.parameters import Parameter

MOST_CRITERIA: Final = 100
MOST_VALUES: Final = 1000
"""Bounds of one search; a longer list is a batch."""

# Search results and links that are not built yet: docs/search.md, "Not supported yet".
LATER: Final = frozenset(
    {"_include", "_revinclude", "_contained", "_containedType", "_score", "_list", "_query"}
)


@dataclass(frozen=True, slots=True)
class Criterion:
    """One condition: any of `values` (as written, escapes included) of one parameter."""

    parameter: Parameter
    modifier: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """A search that was understood; all `criteria` must hold.

    `count` is the page size, 0 for the number of matches only. `sort` is a key of `plan.SORTS`.
    `total` and `summary` are as asked, "" if not. `cursor` is the position after which the page
    starts: the sort value and the key of the last document before it. `ignored` are the names of
    the parameters that lenient handling left out.
    """

    type: str
    criteria: tuple[Criterion, ...]
    count: int
    sort: str
    total: str = ""
    summary: str = ""
    elements: tuple[str, ...] = ()
    cursor: tuple[int, str] | None = None
    ignored: tuple[str, ...] = ()


def parse(
    type: str | None,
    parameters: Sequence[tuple[str, str]],
    *,
    lenient: bool,
    default_count: int,
    max_count: int,
) -> Query:
    """Return what the decoded name and value pairs ask for.

    Raises:
        Invalid: a parameter that the type does not have or that cannot be searched with yet,
            unless `lenient`; a modifier that does not fit or is not built, always.
        BadValue: a value without the form that its parameter needs.
    """
    if type is None:
        raise Invalid(
            "Searching all types at once is not supported yet; search one type.",
            code="not-supported",
        )
    if len(parameters) > MOST_CRITERIA:
        raise Invalid(
            f"The search has {len(parameters)} parameters; {MOST_CRITERIA} are allowed.",
            code="too-costly",
        )
    asked: list[tuple[str, str]] = []
    criteria: list[Criterion] = []
    ignored: list[str] = []
    for name, value in parameters:
        if name in CONTROLS:
            asked.append((name, value))
        elif (criterion := _criterion(type, name, value, lenient=lenient)) is not None:
            criteria.append(criterion)
        else:
            ignored.append(name.partition(":")[0])
    found: Controls = controls(type, asked, default_count=default_count, max_count=max_count)
    return Query(
        type,
        tuple(criteria),
        found.count,
        found.sort,
        found.total,
        found.summary,
        found.elements,
        found.cursor,
        tuple(dict.fromkeys(ignored)),
    )


def _criterion(type: str, name: str, value: str, *, lenient: bool) -> Criterion | None:
    """Return one criterion, None if lenient handling leaves it out."""
    bare, _, modifier = name.partition(":")
    if "." in name or bare == "_has":
        raise Invalid(
            f"`{name}` follows references, which is not supported yet. Search in two steps.",
            code="not-supported",
        )
    try:
        parameter, kind = _parameter(type, bare)
    except Invalid:
        if lenient:
            return None
        raise
    if not value:
        raise BadValue(f"The search parameter `{name}` has no value.")
    if modifier:
        _check_modifier(parameter, kind, modifier)
    return Criterion(parameter, modifier, _values(name, value))


def _parameter(type: str, name: str) -> tuple[Parameter, SearchType]:
    parameter = registry.of(type).get(name)
    if parameter is None and name not in LATER:
        raise Invalid(f"`{type}` has no search parameter `{name}`.{_near(type, name)}")
    kind = kind_of(parameter) if parameter else None
    if parameter is None or kind is None:
        what = f" (a {parameter.kind} parameter)" if parameter and not parameter.paths else ""
        raise Invalid(
            f"The search parameter `{name}`{what} is not supported yet.", code="not-supported"
        )
    return parameter, kind


def _near(type: str, name: str) -> str:
    usable = [row[0] for row in registry.supported(type)]
    near = get_close_matches(name, [*usable, *CONTROLS], 3)
    if near:
        return f" Did you mean {' or '.join(f'`{match}`' for match in near)}?"
    return f" It has {', '.join(f'`{match}`' for match in usable)}."


def _check_modifier(parameter: Parameter, kind: SearchType, modifier: str) -> None:
    if modifier in kind.modifiers and modifier != TYPE_MODIFIER:
        return
    if TYPE_MODIFIER in kind.modifiers and modifier in registry.types():
        if not parameter.targets or modifier in parameter.targets:
            return
        allowed = ", ".join(f"`{target}`" for target in parameter.targets)
        raise Invalid(f"`{parameter.name}` never refers to a `{modifier}`, only to {allowed}.")
    allowed = ", ".join(f"`:{name}`" for name in sorted(kind.modifiers)) or "none"
    raise Invalid(
        f"The modifier `:{modifier}` on `{parameter.name}` is not supported; it takes {allowed}.",
        code="not-supported",
    )


def _values(name: str, value: str) -> tuple[str, ...]:
    if not is_text(value):
        raise BadValue(f"The value of `{name}` is not text.")
    values = split(value, ",")
    if len(values) > MOST_VALUES:
        raise Invalid(
            f"`{name}` has {len(values)} values; {MOST_VALUES} are allowed.", code="too-costly"
        )
    if not all(values):
        raise BadValue(f"The search parameter `{name}` has an empty value in its list.")
    return tuple(dict.fromkeys(values))
