"""https://hl7.org/fhir/R4/search.html#number"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.search import age
from fhir_server.search.extract import index
from fhir_server.search.numbers import comparison, decimal, double, opened
from kernel import clock
from kernel.errors import BadValue, Invalid

Found = Callable[..., bool]


def risk(value: Any) -> dict[str, Any]:
    return {"resourceType": "RiskAssessment", "prediction": [{"probabilityDecimal": value}]}


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("100", "99.5", "100.5"),
        ("100.00", "99.995", "100.005"),
        ("1e2", "95", "105"),
        ("-1E2", "-105", "-95"),
        ("1.0e2", "95", "105"),
        ("1.00e2", "99.5", "100.5"),
        ("5.40e-3", "0.005395", "0.005405"),
        ("1e+2", "95", "105"),
        ("1e 2", "95", "105"),  # a `+` that was sent unencoded
        ("0", "-0.5", "0.5"),
        ("ge007", "6.5", "7.5"),
    ],
)
def test_the_digits_of_a_number_leave_an_interval_open(text: str, low: str, high: str) -> None:
    found = comparison(text)

    assert (found.low, found.high) == (Decimal(low), Decimal(high))


@pytest.mark.parametrize(
    "text",
    ["", "x", "1.", ".5", "0x10", "1e", "1e1000", "--1", "NaN", "inf", "gte5", "ge", "1_000",
     "٣", "1|2", "9" * 65, "1 2", "=5", ">5"],
)  # fmt: skip
def test_what_is_no_number_is_refused(found: Found, text: str) -> None:
    with pytest.raises(BadValue, match=r"is not a number such as|has no value|empty value"):
        found(risk(1), ("probability", text))


def test_a_number_too_large_for_a_double_is_infinite() -> None:
    assert double(Decimal("1e999")) == math.inf
    assert double(-(10**999)) == -math.inf


@pytest.mark.parametrize("value", [True, "5", None, math.inf, math.nan, {}])
def test_what_is_no_number_has_none(value: Any) -> None:
    assert decimal(value) is None


def test_what_validation_would_refuse_does_not_stop_the_index() -> None:
    assert index(risk("a lot")).quantities == ()


def test_a_stored_number_is_one_entry() -> None:
    ((_, low, high, units),) = index(risk(Decimal("0.25"))).quantities

    assert (low, high, units) == (0.25, 0.25, ())


@pytest.mark.parametrize(
    ("comparator", "low", "high"),
    [(None, 5.0, 5.0), ("<=", -math.inf, 5.0), (">=", 5.0, math.inf)],
)
def test_a_comparator_opens_an_end(comparator: str | None, low: float, high: float) -> None:
    assert opened(5.0, 5.0, comparator) == (low, high)


def test_less_than_a_value_is_without_the_value() -> None:
    assert opened(5.0, 5.0, "<")[1] < 5.0
    assert opened(5.0, 5.0, ">")[0] > 5.0


NUMBERS = st.decimals(
    min_value=-(10**12), max_value=10**12, allow_nan=False, allow_infinity=False, places=3
)


@given(NUMBERS)
def test_what_is_indexed_is_found_by_asking_for_it(found: Found, value: Decimal) -> None:
    stored = risk(value)

    for prefix in ("", "eq", "ge", "le", "ap"):
        assert found(stored, ("probability", f"{prefix}{value}"))
    for prefix in ("ne", "gt", "lt", "sa", "eb"):
        assert not found(stored, ("probability", f"{prefix}{value}"))


@given(NUMBERS, NUMBERS)
def test_numbers_are_compared_as_they_are_written(
    found: Found, value: Decimal, other: Decimal
) -> None:
    stored = risk(value)

    assert found(stored, ("probability", f"gt{other}")) is (value > other)
    assert found(stored, ("probability", f"lt{other}")) is (value < other)
    assert found(stored, ("probability", f"ge{other}")) is (value >= other)
    half = Decimal("0.0005")
    assert found(stored, ("probability", str(other))) is (other - half <= value < other + half)


NOW = int(datetime(2024, 2, 29, 12, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("30", 30, 30),
        ("30.5", 31, 30),  # nobody has half a year
        ("gt30", 31, 1000),
        ("ge30", 30, 1000),
        ("ge30.5", 31, 1000),
        ("lt30", 0, 29),
        ("lt30.5", 0, 30),
        ("le30", 0, 30),
        ("ap30", 27, 33),
        ("gt99e99", 1001, 1000),
    ],
)
def test_an_age_is_counted_in_whole_years(asked: str, first: int, last: int) -> None:
    found = age.years(comparison(asked))

    assert (found.first, found.last) == (first, last)


@pytest.mark.parametrize(
    ("asked", "born_after", "born_until"),
    [
        ("20", date(2003, 2, 28), date(2004, 2, 29)),
        ("21", date(2002, 2, 28), date(2003, 2, 28)),  # no 29th of February in that year
        ("le0", date(2023, 2, 28), date(2024, 2, 29)),
    ],
)
def test_an_age_is_a_range_of_dates_of_birth(
    asked: str, born_after: date, born_until: date
) -> None:
    born = age.condition(comparison(asked), NOW, None)["q"]["$elemMatch"]

    assert born["l"] == {"$gt": end(born_after)}
    assert born["h"] == {"$lte": end(born_until)}


def end(day: date) -> int:
    moment = datetime(day.year, day.month, day.day, 23, 59, 59, 999_000, tzinfo=UTC)
    return round(moment.timestamp() * 1000)


def test_the_living_are_found_by_their_age(found: Found) -> None:
    year = datetime.fromtimestamp(clock.now() / 1000, UTC).year
    child = {"resourceType": "Patient", "birthDate": f"{year - 10}-01-01"}

    assert found(child, ("age", "10"))
    assert found(child, ("age", "ne9"))
    assert found(child, ("age", "lt11,gt90"))
    assert not found(child, ("age", "ne10"))
    assert not found(child, ("age", "gt10"))
    assert not found(child | {"deceasedBoolean": True}, ("age", "10"))
    assert not found({"resourceType": "Patient"}, ("age", "ge0"))


def test_a_modifier_that_numbers_do_not_take_is_refused(found: Found) -> None:
    with pytest.raises(Invalid, match=":exact"):
        found(risk(1), ("probability:exact", "1"))
