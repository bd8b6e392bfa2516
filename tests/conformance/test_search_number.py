"""Numbers, row by row. https://hl7.org/fhir/R4/search.html#number"""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.conformance.searching import Resource, Row, agrees, rows
from tests.unit.search.conftest import Search


def risk(value: str | int) -> Resource:
    prediction = {"probabilityDecimal": Decimal(value)}
    return assessment(prediction)


def assessment(*predictions: Resource) -> Resource:
    return {
        "resourceType": "RiskAssessment",
        "status": "final",
        "subject": {"reference": "Patient/1"},
        "prediction": list(predictions),
    }


def between(low: str | None, high: str | None) -> Resource:
    ends = {"low": low, "high": high}
    range = {name: {"value": Decimal(end)} for name, end in ends.items() if end is not None}
    return assessment({"probabilityRange": range})


def sequence(start: int, end: int) -> Resource:
    return {
        "resourceType": "MolecularSequence",
        "coordinateSystem": 0,
        "variant": [{"start": start, "end": end}],
    }


NAME = "probability"
ROWS: list[Row] = [
    # The table of the specification: 100, 100.00, 1e2 and what is less or more than 100.
    *rows(NAME, risk("99.5"), finds=["100", "1e2", "lt100", "le100", "ne100.00", "ap100"],
          misses=["100.00", "gt100", "ge100", "ne100", "sa100"]),
    *rows(NAME, risk("99.49"), finds=["1e2", "ne100", "99.5", "eb100", "ap100"], misses=["100"]),
    *rows(NAME, risk("100"), finds=["100", "100.00", "100.0000", "1e2", "1.00e2", "le100", "ge100", "eq100"],
          misses=["lt100", "gt100", "sa100", "eb100", "ne100", "101", "99"]),
    *rows(NAME, risk("99.995"), finds=["100.00", "100"], misses=["100.000", "ne100"]),
    *rows(NAME, risk("99.9949"), finds=["100", "ne100.00"], misses=["100.00"]),
    *rows(NAME, risk("100.5"), finds=["1e2", "gt100", "ge100", "sa100", "ne100", "101", "100.5"],
          misses=["100", "100.4", "lt100", "le100", "eb100"]),  # half open: the upper end is out
    *rows(NAME, risk("100.005"), finds=["100", "100.01"], misses=["100.00"]),
    *rows(NAME, risk("95"), finds=["1e2", "95", "ap1e2"], misses=["100", "ne1e2", "1.0e3"]),
    *rows(NAME, risk("94.9"), finds=["ne1e2"], misses=["1e2"]),
    *rows(NAME, risk("105"), finds=["ne1e2"], misses=["1e2"]),
    # More digits before the exponent count as written.
    *rows(NAME, risk("99.6"), finds=["1.00e2", "1.0e2"], misses=["1.000e2"]),
    *rows(NAME, risk("0.0054"), finds=["5.40e-3", "5.4E-3", "0.0054", "5.4e-3"], misses=["5.41e-3"]),
    *rows(NAME, risk("0.005395"), finds=["5.40e-3"], misses=["5.400e-3"]),
    *rows(NAME, risk("0.005405"), misses=["5.40e-3"]),
    # Boundaries that no double has exactly.
    *rows(NAME, risk("5.35"), finds=["5.4", "5.35", "ge5.35", "le5.35"], misses=["5.3", "gt5.35", "lt5.35"]),
    *rows(NAME, risk("5.45"), finds=["5.5", "5.45"], misses=["5.4"]),
    *rows(NAME, risk("0.15"), finds=["0.2", "0.15"], misses=["0.1"]),
    *rows(NAME, risk("0.1"), finds=["0.1", "0.10", "eq0.1", "ge0.1", "le0.1"], misses=["gt0.1", "lt0.1"]),
    *rows(NAME, risk("66.89999999999999"), finds=["66.89999999999999"], misses=["67.0"]),
    # About: ten percent, or what the digits leave open if that is more.
    *rows(NAME, risk("110"), finds=["ap100"], misses=["100"]),
    *rows(NAME, risk("90"), finds=["ap100"]),
    *rows(NAME, risk("110.1"), misses=["ap100"]),
    *rows(NAME, risk("89.9"), misses=["ap100"]),
    *rows(NAME, risk("1.5"), finds=["ap1"]),
    *rows(NAME, risk("1.6"), misses=["ap1"]),
    # Nothing, and less than nothing.
    *rows(NAME, risk("0"), finds=["0", "0.0", "-0", "lt0.5", "gt-0.5", "ge0", "le0", "ap0"], misses=["gt0", "lt0", "1"]),
    *rows(NAME, risk("-2.5"), finds=["-2.5", "lt-2", "gt-3", "-2", "ap-2.5", "eb-2", "sa-3"],
          misses=["2.5", "-3", "gt-2", "sa-2"]),
    # A list is any of its values.
    *rows(NAME, risk("7"), finds=["6,7", "gt10,lt8"], misses=["5,6", "gt10,lt7"]),
    # A Range is compared as an interval.
    *rows(NAME, between("0.2", "0.4"),
          finds=["lt0.3", "gt0.3", "ge0.4", "le0.2", "ne0.3", "ap0.3", "sa0.1", "eb0.5", "0"],
          misses=["0.3", "0.2", "gt0.4", "lt0.2", "sa0.3", "eb0.3", "ne0"]),
    *rows(NAME, between("0.2", None), finds=["gt1000000", "ge5", "sa0.1", "lt0.3"], misses=["lt0.2", "eb9", "0.2"]),
    *rows(NAME, between(None, "0.4"), finds=["lt-1000000", "le0", "eb0.5", "gt0.3"], misses=["gt0.4", "sa0"]),
    # Several values: one of them is enough.
    *rows(NAME, assessment({"probabilityDecimal": Decimal("0.1")}, {"probabilityDecimal": Decimal("0.9")}),
          finds=["0.1", "0.9", "gt0.5", "lt0.5", "ne0.1"], misses=["0.5"]),
    # Whole numbers.
    *rows("variant-start", sequence(128, 129), finds=["128", "gt127", "le128"], misses=["129", "gt128"]),
    *rows("variant-end", sequence(128, 129), finds=["129"], misses=["128"]),
    # Missing or not.
    *rows(f"{NAME}:missing", risk("1"), finds=["false"], misses=["true"]),
    *rows(f"{NAME}:missing", assessment({"qualitativeRisk": {"text": "high"}}), finds=["true"], misses=["false"]),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_number_is_found_as_the_specification_says(found: Search, row: Row) -> None:
    assert agrees(row, found)
