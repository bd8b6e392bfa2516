"""Parameters that control the answer of a search and select nothing.

https://hl7.org/fhir/R4/search.html#return
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fhir_server.search import page, parameters
from kernel.errors import BadValue, Invalid

if TYPE_CHECKING:
    from collections.abc import Sequence

CONTROLS: Final = frozenset(
    {"_count", "_sort", "_total", "_summary", "_elements", "_page", "_format", "_pretty"}
)
TOTALS: Final = ("none", "estimate", "accurate")
SUMMARIES: Final = ("true", "text", "data", "count", "false")
NEWEST: Final = "-d"
"""The order when none is asked for: the newest clinical date first."""


@dataclass(frozen=True, slots=True)
class Controls:
    """How the answer is wanted."""

    count: int
    sort: str
    total: str
    summary: str
    elements: tuple[str, ...]
    cursor: tuple[int, str] | None


def controls(
    type: str, asked: Sequence[tuple[str, str]], *, default_count: int, max_count: int
) -> Controls:
    """Return how the answer to a search is wanted.

    Raises:
        Invalid: a control is there twice, or an order that is not kept.
        BadValue: a value that the control does not take.
    """
    given: dict[str, str] = {}
    for name, value in asked:
        if name in given:
            raise Invalid(f"`{name}` may be there once only.")
        given[name] = value
    sort = _sort(type, given["_sort"]) if "_sort" in given else NEWEST
    return Controls(
        count=min(_count(given.get("_count", str(default_count))), max_count),
        sort=sort,
        total=_one("_total", given, TOTALS),
        summary=_one("_summary", given, SUMMARIES),
        elements=_elements(given.get("_elements", "")),
        cursor=page.position(given["_page"], type, sort) if "_page" in given else None,
    )


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise BadValue(f"`_count` is a whole number from 0, not `{text}`.")
    return int(text)


def _one(name: str, given: dict[str, str], allowed: tuple[str, ...]) -> str:
    value = given.get(name, "")
    if name in given and value not in allowed:
        choices = ", ".join(f"`{choice}`" for choice in allowed)
        raise BadValue(f"`{name}` is one of {choices}, not `{value}`.")
    return value


def _elements(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def _sort(type: str, text: str) -> str:
    """Return the order as a key of `page.SORTS`."""
    fields = {"_lastUpdated": "u", "_id": "_id"}
    fields |= {row.name: "d" for row in parameters.primary(type)[:1]}
    descending, name = text.startswith("-"), text.removeprefix("-")
    if name not in fields:
        names = ", ".join(f"`{known}`, `-{known}`" for known in fields)
        raise Invalid(
            f"Sorting by `{text}` is not supported; `{type}` can be sorted by one of {names}.",
            code="not-supported",
        )
    return f"-{fields[name]}" if descending else fields[name]
