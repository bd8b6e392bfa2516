"""Dates, row by row. https://hl7.org/fhir/R4/search.html#date"""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.searching import Resource, Row, agrees, observation, patient, rows
from tests.unit.search.conftest import Search


def at(text: str) -> Resource:
    return observation(effectiveDateTime=text)


def during(**period: str) -> Resource:
    return observation(effectivePeriod=period)


def timed(**timing: Any) -> Resource:
    return observation(effectiveTiming=timing)


NAME = "date"
ROWS: list[Row] = [
    # The table of the specification.
    *rows(NAME, at("2013-01-14T00:00:00Z"), finds=["eq2013-01-14", "2013-01-14", "ne2013-01-15"], misses=["ne2013-01-14"]),
    *rows(NAME, at("2013-01-14T10:00:00Z"), finds=["2013-01-14", "2013-01", "2013"], misses=["ne2013-01-14", "2013-01-15"]),
    *rows(NAME, at("2013-01-15T00:00:00Z"), finds=["ne2013-01-14", "gt2013-01-14", "sa2013-01-14"], misses=["2013-01-14"]),
    *rows(NAME, at("2013-01-14"),
          finds=["lt2013-01-14T10:00Z", "gt2013-01-14T10:00Z", "2013-01-14", "2013", "ge2013-01-14", "le2013-01-14",
                 "ne2013-01-14T10:00Z", "ap2013-01-14T10:00Z", "lt2014", "lt2013-01-15", "gt2013-01-13", "gt2012"],
          misses=["2013-01-14T10:00Z", "gt2013-01-14", "lt2013-01-14", "sa2013-01-14", "eb2013-01-14", "ne2013-01",
                  "sa2013-01-14T10:00Z", "gt2013", "lt2013"]),
    *rows(NAME, during(start="2013-01-21"),
          finds=["ge2013-03-14", "le2013-03-14", "ap2013-03-14", "gt2013-03-14", "lt2013-03-14", "sa2013-01-20", "ne2013"],
          misses=["sa2013-03-14", "eb2013-03-14", "2013", "2013-01-21", "eb9999", "ap2013-01-20"]),
    *rows(NAME, during(start="2013-03-15"), finds=["sa2013-03-14", "gt2013-03-14"], misses=["eb2013-03-14", "ap2013-03-14"]),
    *rows(NAME, during(end="2013-01-21"),
          finds=["eb2013-03-14", "lt2013-03-14", "le2013-03-14", "ap2000", "gt2013-01-20", "ge2013-01-20"],
          misses=["sa2013-03-14", "ge2013-01-21", "ge2013-03-14", "gt2013-03-14", "gt2013-01-21", "2013", "sa0001"]),
    *rows(NAME, at("2013-03-14"), finds=["ap2013-03-14"], misses=["ap2015-06-15"]),
    *rows(NAME, at("2013-01-21"), misses=["ap2013-03-14"]),
    *rows(NAME, at("2015-06-15"), misses=["ap2013-03-14"]),
    # A year, a month and moments.
    *rows(NAME, at("2013"), finds=["2013", "lt2013-06", "gt2013-06", "ne2013-06", "ap2013-06", "ge2013", "le2013", "ge2012"],
          misses=["2013-06", "sa2013", "eb2013", "ne2013", "2012", "sa2013-06", "eb2013-06"]),
    *rows(NAME, at("2016-02"), finds=["2016-02", "2016", "lt2016-02-29", "gt2016-02-28", "eb2016-03-01", "sa2016-01-31"],
          misses=["2016-02-29", "gt2016-02-29", "sa2016-02-01"]),
    *rows(NAME, at("2013-12"), finds=["2013-12", "eb2014", "lt2014"], misses=["2014", "sa2013-12-31"]),
    *rows(NAME, at("2013-01-14T10:20:30Z"),
          finds=["2013-01-14T10:20Z", "2013-01-14T10:20:30Z", "2013-01-14T10:20", "2013-01-14T11:20:30+01:00",
                 "2013-01-14T11:20:30 01:00", "2013-01-14T05:20-05:00", "gt2013-01-14T10:19Z", "lt2013-01-14T10:21Z",
                 "le2013-01-14T10:20:30Z", "ge2013-01-14T10:20:30Z", "ne2013-01-14T10:20:30.000Z"],
          misses=["2013-01-14T10:21Z", "2013-01-14T10:20:31Z", "2013-01-14T10:20:30+01:00", "2013-01-14T10:20:30.000Z",
                  "gt2013-01-14T10:20:30Z", "lt2013-01-14T10:20:30Z", "sa2013-01-14T10:20Z"]),
    *rows(NAME, at("2013-01-14T10:20:30.500Z"),
          finds=["2013-01-14T10:20:30.5Z", "2013-01-14T10:20:30Z", "gt2013-01-14T10:20:30.499Z", "eb2013-01-14T10:20:30.501Z"],
          misses=["2013-01-14T10:20:30.501Z", "gt2013-01-14T10:20:30.5Z", "gt2013-01-14T10:20:30Z"]),
    # The day depends on where the clock stands.
    *rows(NAME, at("2013-01-14T23:30:00-05:00"), finds=["2013-01-15", "2013-01-15T04:30Z"], misses=["2013-01-14"]),
    *rows(NAME, at("2012-12-31T23:00:00-01:00"), finds=["2013", "2013-01-01T00:00Z"], misses=["2012"]),
    # Periods.
    *rows(NAME, during(start="2013-01-10", end="2013-01-20"),
          finds=["2013-01", "2013", "lt2013-01-15", "gt2013-01-15", "ge2013-01-19", "le2013-01-11", "ap2013-01-15", "ne2013-01-15",
                 "sa2013-01-09", "eb2013-01-21", "ap2013-01-20", "ge2013-01-10", "le2013-01-20"],
          misses=["2013-01-15", "gt2013-01-20", "lt2013-01-10", "sa2013-01-10", "eb2013-01-20", "ap2013-01-21", "ap2013-01-09",
                  # Neither does it go on after that day, nor is it within.
                  "ge2013-01-20", "le2013-01-10", "ne2013-01", "2012"]),
    *rows(NAME, during(start="2013-01-10T08:00:00Z", end="2013-01-10T09:00:00Z"),
          finds=["2013-01-10", "lt2013-01-10T08:30Z", "gt2013-01-10T08:30Z", "eb2013-01-10T09:01Z"],
          misses=["2013-01-10T08:30Z", "sa2013-01-10T08:00Z"]),
    # A Timing is its outer limits.
    *rows(NAME, timed(event=["2013-01-31", "2013-03-24"]),
          finds=["2013", "ap2013-02", "lt2013-02", "gt2013-03-23", "sa2013-01-30"], misses=["2013-02", "2013-03", "gt2013-03-24"]),
    *rows(NAME, timed(repeat={"boundsPeriod": {"start": "2013-01-31", "end": "2013-03-24"}, "frequency": 1, "period": 1, "periodUnit": "d"}),
          finds=["2013", "ap2013-02"], misses=["2013-02"]),
    *rows(NAME, timed(code={"text": "at night"}), misses=["gt0001", "lt9999", "ne2013"]),
    *rows(NAME, observation(effectiveInstant="2013-01-14T10:00:00.123Z"), finds=["2013-01-14T10:00Z"], misses=["2013-01-14T10:01Z"]),
    # A plain date, a list, a range of two criteria's making, far away, a leap day.
    *rows("birthdate", patient(birthDate="1970-03-30"),
          finds=["1970-03-30", "1970", "le1970-03-30", "ge1970-03", "1969,1970", "lt1980,gt1990"],
          misses=["1970-03-31", "1969,1971", "lt1960,gt1990", "eb1970-03-30", "sa1970-03-30"]),
    *rows("birthdate", patient(birthDate="0001"), finds=["0001", "lt0002"], misses=["0002"]),
    *rows("birthdate", patient(birthDate="9999-12-31"), finds=["9999-12-31", "ge9999"], misses=["lt9999", "gt9999-12-31"]),
    *rows("birthdate", patient(birthDate="2016-02-29"), finds=["2016-02-29", "2016-02"], misses=["2016-03"]),
    *rows("birthdate:missing", patient(), finds=["true"], misses=["false"]),
    *rows("birthdate:missing", patient(birthDate="2016"), finds=["false"], misses=["true"]),
    *rows("birthdate", patient(), misses=["ne2000", "lt9999", "gt0001"]),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_date_is_found_as_the_specification_says(found: Search, row: Row) -> None:
    assert agrees(row, found)
