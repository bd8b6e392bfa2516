"""Date parameters: ranges of time compared with ranges of time.

https://hl7.org/fhir/R4/search.html#prefix
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from fhir_server.search import dates
from fhir_server.search.kind import Condition, Facts, Index, Scope, SearchType, Where, either
from fhir_server.search.parameters import primary
from fhir_server.search.text import unescape
from fhir_server.search.tokens import token
from kernel.errors import BadValue

if TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

    from fhir_server.search.parameters import Parameter, Path

WRITTEN: Final = re.compile(
    r"[0-9]{4}(-[0-9]{2}(-[0-9]{2}"
    r"(T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?(Z|[+-][0-9]{2}:[0-9]{2})?)?)?)?"
)
PREFIXES: Final = frozenset({"eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"})


def index(type: str, path: Path) -> Index:
    key = token(f"{type}.{path.key}")
    read = READ.get(path.datatype, dates.bounds)

    def add(value: Any, facts: Facts) -> None:
        try:
            found = read(value, facts.zone)
        except (ValueError, OverflowError):  # validation says so; it must not stop the index
            return
        if found is not None:
            facts.ranges.append((key, *found))

    return add


def period(value: dict[str, Any], zone: ZoneInfo | None) -> tuple[int, int] | None:
    start, end = value.get("start"), value.get("end")
    if not (start or end):
        return None
    low = dates.bounds(start, zone)[0] if start else dates.MINIMUM
    high = dates.bounds(end, zone)[1] if end else dates.MAXIMUM
    return low, max(low, high)


def timing(value: dict[str, Any], zone: ZoneInfo | None) -> tuple[int, int] | None:
    """Return the outer limits of a Timing: its details are ignored."""
    found = [dates.bounds(event, zone) for event in value.get("event") or () if event]
    limits = (value.get("repeat") or {}).get("boundsPeriod")
    if limits and (whole := period(limits, zone)):
        found.append(whole)
    if not found:
        return None
    return min(low for low, _ in found), max(high for _, high in found)


READ: Final[dict[str, Callable[[Any, ZoneInfo | None], tuple[int, int] | None]]] = {
    "Period": period,
    "Timing": timing,
}


def match(parameter: Parameter, modifier: str, values: tuple[str, ...], scope: Scope) -> Condition:
    keys = [token(f"{parameter.type}.{key}") for key in parameter.keys]
    which = keys[0] if len(keys) == 1 else {"$in": keys}
    if modifier == "missing":
        present = {"q": {"$elemMatch": {"p": which}}}
        return Where({"$nor": [present]} if missing(values) else present)
    best = primary(parameter.type)[:1]
    is_primary = not parameter.many and parameter in best
    return either([_filter(which, value, scope, is_primary=is_primary) for value in values])


def _filter(which: Any, value: str, scope: Scope, *, is_primary: bool) -> dict[str, Any]:
    prefix, low, high = comparison(value, scope.zone)
    found: dict[str, Any] = {"q": {"$elemMatch": {"p": which} | compared(prefix, low, high)}}
    # `d` is the low bound of the primary date: it lets the index skip what cannot match.
    if is_primary and (limit := LOW[prefix](low, high)):
        found["d"] = limit
    return found


def comparison(value: str, zone: ZoneInfo | None) -> tuple[str, int, int]:
    """Return prefix and range of a search value such as `ge2020-01`.

    Raises:
        BadValue: not a date with an optional prefix.
    """
    text = unescape(value)
    prefix, rest = (text[:2], text[2:]) if text[:2] in PREFIXES else ("eq", text)
    rest = rest.replace(" ", "+")  # a `+` that was sent unencoded arrives as a space
    try:
        if WRITTEN.fullmatch(rest):
            return prefix, *dates.bounds(rest, zone)
    except (ValueError, OverflowError):
        pass
    raise BadValue(
        f"`{value}` is not a date such as `2020`, `ge2020-01-31` or `lt2020-01-31T10:00:00Z`."
    )


def compared(prefix: str, low: int, high: int) -> dict[str, Any]:
    """Return the condition on the range `l` to `h` of a stored date."""
    conditions: dict[str, dict[str, Any]] = {
        "eq": {"l": {"$gte": low}, "h": {"$lte": high}},
        "ne": {"$or": [{"l": {"$lt": low}}, {"h": {"$gt": high}}]},
        "gt": {"h": {"$gt": high}},
        "lt": {"l": {"$lt": low}},
        "ge": {"$or": [{"h": {"$gt": high}}, {"l": {"$gte": low}}]},
        "le": {"$or": [{"l": {"$lt": low}}, {"h": {"$lte": high}}]},
        "sa": {"l": {"$gt": high}},
        "eb": {"h": {"$lt": low}},
        "ap": {"l": {"$lte": high}, "h": {"$gte": low}},
    }
    return conditions[prefix]


LOW: Final[dict[str, Callable[[int, int], dict[str, int] | None]]] = {
    "eq": lambda low, high: {"$gte": low, "$lte": high},
    "lt": lambda low, _: {"$lt": low},
    "le": lambda _, high: {"$lte": high},
    "sa": lambda _, high: {"$gt": high},
    "eb": lambda low, _: {"$lt": low},
    "ap": lambda _, high: {"$lte": high},
    "ne": lambda *_: None,
    "gt": lambda *_: None,
    "ge": lambda *_: None,
}
"""What a match says about the low bound of the stored range."""


def missing(values: tuple[str, ...]) -> bool:
    """Return the value of a `:missing` modifier."""
    if values in {("true",), ("false",)}:
        return values == ("true",)
    raise BadValue(f"`:missing` takes `true` or `false`, not `{','.join(values)}`.")


DATE = SearchType("date", index, match, frozenset({"missing"}))
