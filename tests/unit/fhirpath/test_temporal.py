"""Dates, times and moments: precision, zones, arithmetic.

https://hl7.org/fhirpath/N1/#datetime
"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.fhirpath import temporal
from tests.unit.fhirpath.asking import ask

DAYS = st.dates(min_value=date(1600, 1, 1), max_value=date(2400, 12, 31))


@pytest.mark.parametrize(
    ("expression", "truth"),
    [
        ("@2012 = @2012", True),
        ("@2012 = @2013", False),
        ("@2012 = @2012-01", None),
        ("@2012-01 < @2013-05-06", True),
        ("@2012-04-15 = @2012-04-15T", True),
        ("@2012-04-15 < @2012-04-15T10:00:00", None),
        ("@2012-04-15T10:00:00Z = @2012-04-15T12:00:00+02:00", True),
        ("@2012-04-15T10:00Z < @2012-04-15T10:00:30Z", None),
        ("@2012-04-15T23:30:00-05:00 < @2012-04-16T04:29:00Z", False),
        ("@2012-04-15T10:00:00.5 = @2012-04-15T10:00:00.500", True),
        # Without a zone it may be anywhere on earth: two days apart is certain, two hours is not.
        ("@2012-04-15T10:00:00 < @2012-04-15T12:00:00Z", None),
        ("@2012-04-15T10:00:00 < @2012-04-17T12:00:00Z", True),
        ("@2012-04-15 > @2012-04-18T00:00:00Z", False),
        # A day is the day that was written.
        ("@2020-01-01T10:00:00Z > @2019", True),
        ("@2020-01-01 < @2020-01-02T00:30:00+14:00", True),
        ("@2020-01-01 = @2020-01-01T10:00:00Z", None),
        ("@2020-01-01T10+01:00 < @2020-01-01T10:30-05:00", True),
        ("@2020-01-01T10+01:00 = @2020-01-01T09:30Z", None),
        ("@T10:30 < @T10:31", True),
        ("@T10:30 = @2012-04-15", False),
        ("@2012 ~ @2012-01", False),
    ],
)
def test_a_comparison_is_as_certain_as_its_operands(expression: str, truth: bool | None) -> None:
    assert ask(expression) == ([] if truth is None else [truth])


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("@2016-02-29 + 1 year", "2017-02-28"),
        ("@2016-01-31 + 1 month", "2016-02-29"),
        ("@2016-03-31 - 1 month", "2016-02-29"),
        ("@2014 + 24 months", "2016"),
        ("@2014 + 23 months", "2015"),
        ("@2014-12 + 31 days", "2015-01"),
        ("@2019-03-01 + 24 hours", "2019-03-02"),
        ("@2019-03-01 + 23 hours", "2019-03-01"),
        ("@2019-03-01 + 1.9 days", "2019-03-02"),
        ("@2019-12-31T23:59:59.999Z + 1 millisecond", "2020-01-01T00:00:00.000Z"),
        ("@2019-03-01T10:00:00+02:00 - 11 hours", "2019-02-28T23:00:00+02:00"),
        ("@2019-03-01T10 + 90 minutes", "2019-03-01T11"),
        ("@2019-03-01T10:00:00 + 1.5 seconds", "2019-03-01T10:00:01.5"),
        ("@T23:30 + 45 minutes", "00:15"),
        ("@T00:10:00 - 20 'min'", "23:50:00"),
    ],
)
def test_a_quantity_of_time_moves_a_date(expression: str, result: str) -> None:
    assert ask(expression) == [result]


@pytest.mark.parametrize(
    "expression",
    [
        "@9999-12-31 + 1 day",
        "@0001 - 1 year",
        "@0001-01-01T00:00:00 - 1 second",
        "@2020-01-01 + 99999999999999999999 years",
    ],
)
def test_outside_the_calendar_there_is_nothing(expression: str) -> None:
    assert ask(expression) == []


@pytest.mark.parametrize(
    "text",
    [
        "2019-2-1",
        "2019-13",
        "2019-02-29",
        "0000",
        "2019-01-01T24:00",
        "2019-01-01T10:60",
        "2019-01-01T10:00:00+15:00",
        "2019-01-01T10:00:00 Z",
        "12019",
        "２０１９",
        "2019-01-01\n",
    ],
)
def test_what_is_no_moment_is_none(text: str) -> None:
    assert temporal.parse(text, "DateTime") is None


@given(DAYS, st.integers(-100_000, 100_000))
def test_days_are_added_as_the_calendar_has_them(day: date, count: int) -> None:
    expected = day + timedelta(days=count)

    assert ask(f"@{day} + {count} days" if count >= 0 else f"@{day} - {-count} days") == [
        expected.isoformat()
    ]


@given(DAYS, DAYS)
def test_days_are_ordered_as_the_calendar_has_them(one: date, other: date) -> None:
    left, right = (temporal.parse(day.isoformat(), "Date") for day in (one, other))
    assert left is not None
    assert right is not None

    assert temporal.compare(left, right) == (one > other) - (one < other)


@given(st.datetimes(timezones=st.just(None)), st.integers(-840, 840))
def test_a_moment_is_written_as_it_was_read(moment: object, offset: int) -> None:
    zone = f"{'-' if offset < 0 else '+'}{abs(offset) // 60:02d}:{abs(offset) % 60:02d}"
    text = f"{str(moment).replace(' ', 'T')}{zone}"

    value = temporal.parse(text, "DateTime")

    assert str(value) == text


@given(st.datetimes(), st.integers(-840, 840), st.integers(-840, 840))
def test_a_moment_is_the_same_in_every_zone(moment: object, one: int, other: int) -> None:
    at = temporal.parse(str(moment).replace(" ", "T") + "Z", "DateTime")
    assert at is not None

    shifted = [temporal.add(at, Decimal(offset), "minute") for offset in (one, other)]

    if None in shifted:
        return  # outside the calendar
    zoned = [
        temporal.Temporal("DateTime", value.parts, _zone(offset))
        for value, offset in zip(shifted, (one, other), strict=True)
        if value is not None
    ]
    assert temporal.compare(*zoned) == 0


def _zone(offset: int) -> str:
    return f"{'-' if offset < 0 else '+'}{abs(offset) // 60:02d}:{abs(offset) % 60:02d}"
