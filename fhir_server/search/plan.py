"""From criteria to a filter in MongoDB's query language.

https://hl7.org/fhir/R4/search.html#combining

Nothing of a search's text gets into the filter but as a number, a bound of a comparison or an
escaped literal. The authorisation filter is added by the store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fhir_server.search.kind import AnyOf, Condition, NoneOf, Scope, kind_of
from fhir_server.search.nodes import Criterion
from fhir_server.search.tokens import type_token
from kernel.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_server.search.nodes import Node

Filter = dict[str, Any]


def condition(criterion: Criterion, scope: Scope) -> Condition:
    """Return what one criterion asks of a document.

    Raises:
        BadValue: a value without the form that its parameter needs.
    """
    kind = kind_of(criterion.parameter)
    if kind is None:
        raise ValueError(f"`{criterion.parameter.name}` cannot be searched with.")
    return kind.match(criterion.parameter, criterion.modifier, criterion.values, scope)


def combined(type: str, conditions: Sequence[Condition]) -> Filter:
    """Return the filter of the documents of a type for which all conditions hold."""
    required: list[int] = []
    parts: list[Filter] = []
    typed = False
    for one in conditions:
        if isinstance(one, AnyOf):
            typed = True
            if len(one.tokens) == 1:
                required.append(one.tokens[0])
            else:
                parts.append({"k": {"$in": list(one.tokens)}})
        elif isinstance(one, NoneOf):
            parts.append({"k": {"$nin": list(one.tokens)}})
        else:
            parts.append(one.filter)
    # A token names its type; anything else could be true of another type, or of a deletion.
    if not typed:
        required.append(type_token(type))
    if required:
        unique = list(dict.fromkeys(required))
        parts.append({"k": unique[0] if len(unique) == 1 else {"$all": unique}})
    return _conjunction(parts)


def alone(one: Condition) -> Filter:
    """Return the filter of one condition by itself."""
    if isinstance(one, AnyOf):
        return {"k": {"$in": list(one.tokens)}}
    if isinstance(one, NoneOf):
        return {"k": {"$nin": list(one.tokens)}}
    return one.filter


def _conjunction(parts: list[Filter]) -> Filter:
    merged: Filter = {}
    for part in parts:
        if merged.keys() & part.keys():
            return {"$and": parts}
        merged |= part
    return merged


def simple(type: str, nodes: Sequence[Node], scope: Scope) -> Filter:
    """Return the filter of criteria that look at the resource itself, as those of writes must.

    Raises:
        Invalid: one looks at other resources, which could change before the write.
    """
    conditions = []
    for node in nodes:
        if not isinstance(node, Criterion):
            raise Invalid(
                "The criteria of a conditional interaction look at the resource itself:"
                " no chain, `_has`, `_list`, `_filter`, `_text` or `_content`.",
                code="not-supported",
            )
        conditions.append(condition(node, scope))
    return combined(type, conditions)
