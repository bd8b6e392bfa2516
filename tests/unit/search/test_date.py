"""https://hl7.org/fhir/R4/search.html#prefix"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.search import dates
from fhir_server.search.extract import index
from fhir_server.search.kind import Scope
from fhir_server.search.plan import simple
from fhir_server.search.query import parse
from kernel.errors import BadValue

Found = Callable[..., bool]


def observed(**effective: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", **effective}


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2013", "2013-01-01T00:00:00.000", "2013-12-31T23:59:59.999"),
        ("9999", "9999-01-01T00:00:00.000", "9999-12-31T23:59:59.999"),
        ("2013-02", "2013-02-01T00:00:00.000", "2013-02-28T23:59:59.999"),
        ("2016-02", "2016-02-01T00:00:00.000", "2016-02-29T23:59:59.999"),
        ("2013-12", "2013-12-01T00:00:00.000", "2013-12-31T23:59:59.999"),
        ("2013-01-14", "2013-01-14T00:00:00.000", "2013-01-14T23:59:59.999"),
        ("2013-01-14T10:00", "2013-01-14T10:00:00.000", "2013-01-14T10:00:59.999"),
        ("2013-01-14T10:00Z", "2013-01-14T10:00:00.000", "2013-01-14T10:00:59.999"),
        ("2013-01-14T10:00:05Z", "2013-01-14T10:00:05.000", "2013-01-14T10:00:05.999"),
        ("2013-01-14T10:00:05.5Z", "2013-01-14T10:00:05.500", "2013-01-14T10:00:05.500"),
        ("2013-01-14T10:00:05.123456789Z", "2013-01-14T10:00:05.123", "2013-01-14T10:00:05.123"),
        ("2013-01-14T10:00:05+02:00", "2013-01-14T08:00:05.000", "2013-01-14T08:00:05.999"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.000", "2016-12-31T23:59:59.999"),
    ],
)
def test_a_date_covers_what_its_precision_leaves_open(text: str, first: str, last: str) -> None:
    assert dates.bounds(text) == (at(first), at(last))


def test_a_date_without_an_offset_is_in_the_zone_of_the_server() -> None:
    vienna = ZoneInfo("Europe/Vienna")

    assert dates.bounds("2013-07-01", vienna)[0] == at("2013-06-30T22:00:00")
    assert dates.bounds("2013-03-31", vienna)[1] == at("2013-03-31T21:59:59.999")
    assert dates.bounds("2013-07-01T00:00:00", vienna)[0] == at("2013-06-30T22:00:00")
    assert dates.bounds("2013-07-01T00:00:00Z", vienna)[0] == at("2013-07-01T00:00:00")
    for text in ("0001", "0001-01", "9999", "9999-12-31", "9999-12-31T23:59:59-14:00"):
        assert dates.bounds(text, vienna)


@pytest.mark.parametrize(
    ("search", "matching", "other"),
    [
        # The examples of the table of prefixes.
        (
            "eq2013-01-14",
            ["2013-01-14T00:00:00Z", "2013-01-14T10:00:00Z"],
            ["2013-01-15T00:00:00Z"],
        ),
        ("2013-01-14", ["2013-01-14"], ["2013-01", "2013"]),
        ("ne2013-01-14", ["2013-01-15T00:00:00Z", "2013"], ["2013-01-14T10:00:00Z"]),
        ("lt2013-01-14T10:00Z", ["2013-01-14"], ["2013-01-14T10:00:00Z"]),
        ("gt2013-01-14T10:00Z", ["2013-01-14", "2013-01-14T10:01:00Z"], ["2013-01-14T10:00:00Z"]),
        ("ge2013-03-14", ["2013-03-14", "2013-03-21", "2013"], ["2013-03-13"]),
        ("le2013-03-14", ["2013-03-14", "2013-03-01", "2013"], ["2013-03-15"]),
        ("sa2013-03-14", ["2013-03-15", "2014"], ["2013-03-14", "2013", "2013-03-13"]),
        ("eb2013-03-14", ["2013-03-13", "2012"], ["2013-03-14", "2013", "2013-03-15"]),
        ("ap2013-03-14", ["2013-03-14", "2013-03", "2013"], ["2013-03-15", "2012"]),
        ("2012,2014", ["2012-05-01", "2014"], ["2013"]),
    ],
)
def test_a_prefix_compares_ranges(
    found: Found, search: str, matching: list[str], other: list[str]
) -> None:
    for written in matching:
        assert found(observed(effectiveDateTime=written), ("date", search)), written
    for written in other:
        assert not found(observed(effectiveDateTime=written), ("date", search)), written


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("ge2013-03-14", True),  # an open end goes on
        ("gt2100", True),
        ("le2013-01-01", False),
        ("lt2013-01-24", True),
        ("sa2013-01-20", True),
        ("sa2013-02-01", False),
        ("eq2013", False),
        ("ap2020", True),
    ],
)
def test_a_period_without_an_end_is_open(found: Found, search: str, expected: bool) -> None:
    observation = observed(effectivePeriod={"start": "2013-01-23T00:00:00Z"})

    assert found(observation, ("date", search)) is expected


def test_a_timing_counts_by_its_outer_limits(found: Found) -> None:
    events = {"event": ["2013-01-31", "2013-03-24"]}
    bounds = {"repeat": {"boundsPeriod": {"start": "2013-01-31", "end": "2013-03-24"}}}

    for timing in (events, bounds):
        assert found(observed(effectiveTiming=timing), ("date", "ap2013-02-01"))
        assert found(observed(effectiveTiming=timing), ("date", "2013"))
        assert not found(observed(effectiveTiming=timing), ("date", "2013-02"))


def test_a_missing_date_is_found_as_missing(found: Found) -> None:
    assert found(observed(), ("date:missing", "true"))
    assert not found(observed(), ("date:missing", "false"))
    assert not found(observed(effectiveDateTime="2013"), ("date:missing", "true"))


def test_the_primary_date_also_bounds_the_order() -> None:
    query = parse("Observation", [("date", "2013")], lenient=False, default_count=1, max_count=1)

    condition = simple("Observation", query.criteria["Observation"], Scope())
    assert condition["d"] == {"$gte": at("2013-01-01"), "$lte": at("2014-01-01") - 1}


def test_the_second_choice_of_a_primary_date_orders_too() -> None:
    condition = {"resourceType": "Condition", "recordedDate": "2013"}

    assert index(condition).date == at("2013-01-01")
    assert index(condition | {"onsetDateTime": "2012"}).date == at("2012-01-01")
    assert index({"resourceType": "Condition"}).date is None


@pytest.mark.parametrize(
    "value",
    [
        "2013-13",
        "yesterday",
        "ge",
        "xx2013",
        "2013-02-30",
        "20130101",
        "2013-01-14T10",
        "2013-W01-1T10:00Z",
        "٢٠١٣",
        "0000",
    ],
)
def test_a_value_that_is_no_date_is_refused(found: Found, value: str) -> None:
    with pytest.raises(BadValue, match="is not a date"):
        found(observed(), ("date", value))


def test_an_offset_whose_plus_was_not_encoded_is_understood(found: Found) -> None:
    observation = observed(effectiveDateTime="2013-01-14T10:00:00+01:00")

    assert found(observation, ("date", "2013-01-14T10:00:00 01:00"))


def test_the_last_update_is_compared_as_a_moment(found: Found) -> None:
    updated = at("2013-01-14T10:00:00.500")

    for search in (
        "2013-01-14",
        "ge2013",
        "le2013",
        "gt2012",
        "lt2014",
        "ne2012",
        "sa2012",
        "eb2014",
    ):
        assert found(observed(), ("_lastUpdated", search), updated=updated), search
    for search in ("2012", "gt2013", "lt2013", "ne2013", "sa2013", "eb2013"):
        assert not found(observed(), ("_lastUpdated", search), updated=updated), search


MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1))  # noqa: DTZ001 (naive on purpose)


@given(moment=MOMENTS, length=st.sampled_from([4, 7, 10]))
def test_what_is_indexed_is_found_by_asking_for_it(
    found: Found, moment: datetime, length: int
) -> None:
    written = f"{moment:%Y-%m-%dT%H:%M:%S}Z"
    observation = observed(effectiveDateTime=written)
    asked = written[:length]

    for prefix in ("", "eq", "ge", "le", "ap"):
        assert found(observation, ("date", f"{prefix}{asked}"))
    for prefix in ("ne", "gt", "lt", "sa", "eb"):
        assert not found(observation, ("date", f"{prefix}{asked}"))


SPEC: dict[str, Callable[[int, int, int, int], bool]] = {
    "eq": lambda first, last, low, high: low <= first and last <= high,
    "ne": lambda first, last, low, high: first < low or high < last,
    "gt": lambda _, last, __, high: last > high,
    "lt": lambda first, _, low, __: first < low,
    "ge": lambda first, last, low, high: last > high or (low <= first and last <= high),
    "le": lambda first, last, low, high: first < low or (low <= first and last <= high),
    "sa": lambda first, _, __, high: first > high,
    "eb": lambda _, last, low, __: last < low,
    "ap": lambda first, last, low, high: first <= high and last >= low,
}
"""The table of prefixes: the range `first` to `last` of a resource, `low` to `high` of the search."""
MOMENTS = st.datetimes(datetime(2013, 1, 1), datetime(2013, 1, 9))  # noqa: DTZ001 - hypothesis wants them so
WRITTEN = st.sampled_from(["%Y", "%Y-%m", "%Y-%m-%d", "%Y-%m-%dT%H:%MZ", "%Y-%m-%dT%H:%M:%SZ"])


@given(MOMENTS, MOMENTS, MOMENTS, WRITTEN)
def test_ranges_are_compared_as_the_table_of_prefixes_says(
    found: Found, one: datetime, other: datetime, asked: datetime, form: str
) -> None:
    start, end = (f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in sorted((one, other)))
    period = {"start": start, "end": end}
    written = asked.strftime(form)
    low, high = dates.bounds(written)

    for prefix, holds in SPEC.items():
        expected = holds(dates.bounds(start)[0], dates.bounds(end)[1], low, high)
        # The one is the date by which the type is sorted, the other is not.
        assert found(observed(effectivePeriod=period), ("date", prefix + written)) is expected
        value = {"resourceType": "Observation", "valuePeriod": period}
        assert found(value, ("value-date", prefix + written)) is expected


def test_only_a_range_of_more_than_a_day_takes_a_second_entry() -> None:
    day = {"start": "2013-01-01", "end": "2013-01-01"}

    assert len(index(observed(effectivePeriod=day)).ranges) == 1
    assert len(index(observed(effectivePeriod=day | {"end": "2013-01-02"})).ranges) == 2
    assert len(index(observed(effectiveDateTime="2013-01-01")).ranges) == 1
    assert len(index(observed(effectiveDateTime="2013-01")).ranges) == 2
