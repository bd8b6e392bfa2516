"""Parameters that control the answer of a search and select nothing.

https://hl7.org/fhir/R4/search.html#return
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fhir_server.search import inclusion
from fhir_server.search.contained import plain
from fhir_server.search.order import Order, order
from kernel.errors import BadValue, Invalid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_server.search.inclusion import Inclusion
    from fhir_server.search.parameters import Known

INCLUSIONS: Final = frozenset({"_include", "_revinclude"})
CONTROLS: Final = INCLUSIONS | {
    "_count",
    "_sort",
    "_total",
    "_summary",
    "_elements",
    "_page",
    "_format",
    "_pretty",
    "_explain",
    "_contained",
    "_containedType",
    "_score",
}
TOTALS: Final = ("none", "estimate", "accurate")
SUMMARIES: Final = ("true", "text", "data", "count", "false")
CONTAINED: Final = ("false", "true", "both")
HOLDERS: Final = ("container", "contained")
BOOLEANS: Final = ("true", "false")


@dataclass(frozen=True, slots=True)
class Controls:
    """How the answer is wanted; "" is what was not said."""

    count: int
    order: Order
    total: str
    summary: str
    elements: tuple[str, ...]
    page: str
    inclusions: tuple[Inclusion, ...]
    explain: bool
    contained: str
    contained_type: str


def controls(
    types: tuple[str, ...],
    asked: Sequence[tuple[str, str]],
    *,
    default_count: int,
    max_count: int,
    known: Known,
) -> Controls:
    """Return how the answer to a search is wanted.

    Raises:
        Invalid: a control is there twice.
        BadValue: a value that the control does not take.
    """
    given: dict[str, str] = {}
    inclusions: dict[Inclusion, None] = {}
    for name, value in asked:
        bare, _, modifier = name.partition(":")
        if bare in INCLUSIONS:
            one = plain(types[0]) if len(types) == 1 else None
            inclusions[inclusion.read(name, value, one, known)] = None
            continue
        if modifier:
            raise Invalid(f"`{bare}` takes no modifier, so `:{modifier[:40]}` means nothing.")
        if name in given:
            raise Invalid(f"`{name}` may be there once only.")
        given[name] = value
    if inclusions and given.get("_summary") == "text":
        raise Invalid("`_include` and `_revinclude` cannot be mixed with `_summary=text`.")
    return Controls(
        count=min(_count(given.get("_count", str(default_count))), max_count),
        order=order(types, given.get("_sort", ""), known),
        total=_one("_total", given, TOTALS),
        summary=_one("_summary", given, SUMMARIES),
        elements=_elements(given.get("_elements", "")),
        page=given.get("_page", ""),
        inclusions=tuple(inclusions),
        explain=_one("_explain", given, BOOLEANS) == "true",
        contained=_one("_contained", given, CONTAINED),
        contained_type=_one("_containedType", given, HOLDERS),
    )


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise BadValue(f"`_count` is a whole number from 0, not `{text[:40]}`.")
    return int(text)


def _one(name: str, given: dict[str, str], allowed: tuple[str, ...]) -> str:
    value = given.get(name, "")
    if name in given and value not in allowed:
        choices = ", ".join(f"`{choice}`" for choice in allowed)
        raise BadValue(f"`{name}` is one of {choices}, not `{value[:40]}`.")
    return value


def _elements(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
