"""Parameters of a history: which versions, in which order, and how much of them.

https://hl7.org/fhir/R4/http.html#history
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fhir_server.interactions.portion import GENERAL, NAMES, portion
from fhir_server.search.dates import bounds
from fhir_server.store.history import Span
from kernel.errors import BadValue, Invalid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_server.engine import Engine
    from fhir_server.interactions.portion import Portion
    from fhir_server.model import Context

CONTROLS: Final = frozenset({"_count", "_since", "_before", "_at", "_sort", "_total", "_page"})
SORTS: Final = {"-_lastUpdated": True, "_lastUpdated": False}
"""Whether the newest comes first."""
TOTALS: Final = ("none", "estimate", "accurate")
_COUNT: Final = re.compile(r"\d{1,9}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a caller wants of the history at `path`.

    `count` 0 is the total alone. `page` is the position of the page, "" for the first; `kept` are
    the parameters that every page's link repeats.
    """

    path: str
    count: int
    newest: bool
    span: Span
    total: bool
    portion: Portion
    page: str
    kept: tuple[tuple[str, str], ...]


def asked_for(
    engine: Engine, ctx: Context, path: str, parameters: Sequence[tuple[str, str]]
) -> Asked:
    """Return what the parameters of a history at `path` ask for.

    Raises:
        Invalid: a parameter that a history does not take, unless lenient, or one that is there twice.
        BadValue: a value that its parameter does not take.
    """
    given: dict[str, str] = {}
    kept: list[tuple[str, str]] = []
    for name, value in parameters:
        if name not in CONTROLS | NAMES | GENERAL:
            if ctx.lenient:
                continue
            raise Invalid(_unknown(name), code="not-supported")
        if name in given and name in CONTROLS:
            raise Invalid(f"`{name}` may be there once only.")
        given[name] = value
        if name != "_page" and name not in GENERAL:
            kept.append((name, value))
    wanted = portion(path.rpartition("_history")[0].split("/")[0] or (), kept, lenient=ctx.lenient)
    only_total = wanted.summary == "count"
    count = 0 if only_total else _count(engine, given)
    total = _one("_total", given.get("_total", "none"), TOTALS)
    return Asked(
        path=path,
        count=count,
        newest=SORTS[_one("_sort", given.get("_sort", "-_lastUpdated"), tuple(SORTS))],
        span=_span(engine, given),
        total=total != "none" or not count,
        portion=wanted,
        page=given.get("_page", ""),
        kept=tuple(kept),
    )


def _unknown(name: str) -> str:
    names = ", ".join(f"`{known}`" for known in sorted((CONTROLS | NAMES) - {"_page"}))
    return f"`{name[:80]}` is not a parameter of a history; {names} are."


def _count(engine: Engine, given: dict[str, str]) -> int:
    text = given.get("_count", str(engine.settings.default_count))
    if _COUNT.fullmatch(text) is None:
        raise BadValue(f"`_count` is a whole number from 0, not `{text[:80]}`.")
    return min(int(text), engine.settings.max_count)


def _one(name: str, value: str, allowed: Sequence[str]) -> str:
    if value not in allowed:
        choices = ", ".join(f"`{choice}`" for choice in allowed)
        raise BadValue(f"`{name}` of a history is one of {choices}, not `{value[:80]}`.")
    return value


def _span(engine: Engine, given: dict[str, str]) -> Span:
    at = _time(engine, "_at", given)
    since, before = _time(engine, "_since", given), _time(engine, "_before", given)
    return Span(since and since[0], before and before[0], at)


def _time(engine: Engine, name: str, given: dict[str, str]) -> tuple[int, int] | None:
    """Return the range of a time, None if it is not asked for."""
    if name not in given:
        return None
    try:
        # A `+` that was not encoded has become a space on its way.
        return bounds(given[name].strip().replace(" ", "+"), engine.zone)
    except (ValueError, OverflowError):
        raise BadValue(
            f"`{name}` is `{given[name][:80]}`; a date or an instant such as"
            " `2026-01-31T13:00:00Z` is expected."
        ) from None
