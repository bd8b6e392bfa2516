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
DAY: Final = 86_400_000
LONG: Final = "~"
"""What follows the key of a second entry that a range of more than a day has: few have one."""
PREFIXES: Final = frozenset({"eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"})


def index(type: str, path: Path) -> Index:
    key, long = token(f"{type}.{path.key}"), token(f"{type}.{path.key}{LONG}")
    read = READ.get(path.datatype, dates.bounds)

    def add(value: Any, facts: Facts) -> None:
        try:
            found = read(value, facts.zone)
        except (ValueError, OverflowError):  # validation says so; it must not stop the index
            return
        if found is not None:
            facts.ranges.append((key, *found))
            if found[1] - found[0] > DAY:
                facts.ranges.append((long, *found))

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
    keys = [f"{parameter.type}.{key}" for key in parameter.keys]
    if modifier == "missing":
        present = {"q": {"$elemMatch": {"p": _one_of(keys, "")}}}
        return Where({"$nor": [present]} if missing(values) else present)
    best = primary(parameter.type)[:1]
    is_primary = not parameter.many and parameter in best
    return either(
        [
            _filter(keys, suffix, condition, is_primary=is_primary)
            for value in values
            for suffix, condition in compared(*comparison(value, scope.zone))
        ]
    )


def _filter(
    keys: list[str], suffix: str, condition: dict[str, Any], *, is_primary: bool
) -> dict[str, Any]:
    found: dict[str, Any] = {"q": {"$elemMatch": {"p": _one_of(keys, suffix)} | condition}}
    # `d` is the low bound of the primary date: it lets the index skip what cannot match.
    return found | {"d": condition["l"]} if is_primary and "l" in condition else found


def _one_of(keys: list[str], suffix: str) -> Any:
    tokens = [token(key + suffix) for key in keys]
    return tokens[0] if len(tokens) == 1 else {"$in": tokens}


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
        f"`{value[:60]}` is not a date such as `2020`, `ge2020-01-31` or `lt2020-01-31T10:00:00Z`."
    )


def compared(prefix: str, low: int, high: int) -> list[tuple[str, dict[str, Any]]]:
    """Return the conditions on the range `l` to `h` of a stored date, any of which may hold.

    Each comes with what follows the key of its entries: "", or `LONG`. A bound of `l` that says
    nothing new of a range of up to a day is there to end the scan of the index.
    """
    since = low - DAY
    match prefix:
        case "eq":
            return [("", {"l": {"$gte": low, "$lte": high}, "h": {"$lte": high}})]
        case "ne":
            return [("", {"$or": [{"l": {"$lt": low}}, {"h": {"$gt": high}}]})]
        case "gt":
            return [
                ("", {"l": {"$gt": high - DAY}, "h": {"$gt": high}}),
                (LONG, {"l": {"$lte": high - DAY}, "h": {"$gt": high}}),
            ]
        case "ge":
            return [
                ("", {"l": {"$gte": since}, "$or": [{"h": {"$gt": high}}, {"l": {"$gte": low}}]}),
                (LONG, {"l": {"$lt": since}, "h": {"$gt": high}}),
            ]
        case "lt":
            return [("", {"l": {"$lt": low}})]
        case "le":
            return [
                ("", {"l": {"$lte": high}, "$or": [{"l": {"$lt": low}}, {"h": {"$lte": high}}]})
            ]
        case "sa":
            return [("", {"l": {"$gt": high}})]
        case "eb":
            return [("", {"l": {"$lt": low}, "h": {"$lt": low}})]
    return [
        ("", {"l": {"$gte": since, "$lte": high}, "h": {"$gte": low}}),
        (LONG, {"l": {"$lt": since}, "h": {"$gte": low}}),
    ]


def missing(values: tuple[str, ...]) -> bool:
    """Return the value of a `:missing` modifier."""
    if values in {("true",), ("false",)}:
        return values == ("true",)
    raise BadValue(f"`:missing` takes `true` or `false`, not `{','.join(values)[:60]}`.")


DATE = SearchType("date", index, match, frozenset({"missing"}))
