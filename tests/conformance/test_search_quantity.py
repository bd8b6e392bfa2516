"""Quantities, row by row. https://hl7.org/fhir/R4/search.html#quantity"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.conformance.searching import (
    UCUM,
    Resource,
    Row,
    agrees,
    observation,
    quantity,
    rows,
)
from tests.unit.search.conftest import Search


def measured(
    value: str | int, unit: str = "mg", system: str | None = UCUM, **more: Any
) -> Resource:
    return observation(valueQuantity=quantity(Decimal(value), unit, system, **more))


def sampled(**more: Any) -> Resource:
    data = {"origin": quantity(Decimal(10), "mV"), "period": 10, "dimensions": 1}
    return observation(valueSampledData=data | more)


def condition(**onset: Any) -> Resource:
    return {"resourceType": "Condition", "subject": {"reference": "Patient/1"}} | onset


def charge(value: str, currency: str) -> Resource:
    return {
        "resourceType": "ChargeItem",
        "status": "billable",
        "code": {"text": "a code"},
        "subject": {"reference": "Patient/1"},
        "priceOverride": {"value": Decimal(value), "currency": currency},
    }


NAME = "value-quantity"
ROWS: list[Row] = [
    # The examples of the specification.
    *rows(NAME, measured("5.4"),
          finds=["5.4", f"5.4|{UCUM}|mg", "5.4||mg", f"5.40e-3|{UCUM}|g", f"le5.4|{UCUM}|mg", f"ap5.4|{UCUM}|mg"],
          misses=[f"5.4|{UCUM}|g", "5.4||g", "5.4|http://other|mg", f"5.4|{UCUM}|MG", "5.5", f"lt5.4|{UCUM}|mg"]),
    # The digits of the search decide, in its own unit.
    *rows(NAME, measured("5.35"), finds=["5.4", f"5.4|{UCUM}|mg"], misses=["5.40", f"5400|{UCUM}|ug"]),
    *rows(NAME, measured("5.45"), finds=["5.5||mg"], misses=["5.4", f"5.4|{UCUM}|mg"]),
    # Units are converted exactly.
    *rows(NAME, measured("5400", "ug"),
          finds=[f"5.4|{UCUM}|mg", f"0.0054|{UCUM}|g", f"5.4e-6|{UCUM}|kg", "5400", "5400||ug", f"5400000|{UCUM}|ng"],
          misses=["5.4", "5.4||mg", f"5.3|{UCUM}|mg", f"gt5.4|{UCUM}|mg", f"lt5.4|{UCUM}|mg"]),
    *rows(NAME, measured("100", "mg/dL"), finds=[f"1|{UCUM}|g/L", f"ge1|{UCUM}|g/L", f"100|{UCUM}|mg/(100.mL)"],
          misses=[f"gt1|{UCUM}|g/L", f"1|{UCUM}|mmol/L"]),
    *rows(NAME, measured("120", "mm[Hg]"), finds=[f"16.0|{UCUM}|kPa", f"gt15.9|{UCUM}|kPa", "120||mm[Hg]"],
          misses=[f"15.9|{UCUM}|kPa"]),
    *rows(NAME, measured("37", "Cel"), finds=[f"98.6|{UCUM}|[degF]", f"310.15|{UCUM}|K", f"gt98|{UCUM}|[degF]"],
          misses=[f"37|{UCUM}|K", f"98.7|{UCUM}|[degF]"]),
    *rows(NAME, measured("98.6", "[degF]"), finds=[f"37.0|{UCUM}|Cel", f"37.00|{UCUM}|Cel"], misses=[f"37.1|{UCUM}|Cel"]),
    *rows(NAME, measured("7", "10*9/L"), finds=[f"7|{UCUM}|10*3/uL", f"7000|{UCUM}|/uL"], misses=[f"7|{UCUM}|/uL"]),
    *rows(NAME, measured("2", "[IU]/mL"), finds=[f"2000|{UCUM}|[iU]/L"], misses=[f"2|{UCUM}|[arb'U]/mL", f"2|{UCUM}|/mL"]),
    *rows(NAME, measured("5", "%"), finds=[f"0.05|{UCUM}|1", f"5|{UCUM}|%"], misses=[f"5|{UCUM}|1"]),
    *rows(NAME, measured("72", "{beats}/min"), finds=[f"72|{UCUM}|/min", f"1.2|{UCUM}|Hz"], misses=[f"72|{UCUM}|/s"]),
    # More acid is less pH: such a scale is compared as written.
    *rows(NAME, measured("7.4", "[pH]"), finds=[f"7.4|{UCUM}|[pH]", f"gt7|{UCUM}|[pH]", f"lt8|{UCUM}|[pH]"],
          misses=[f"lt7|{UCUM}|[pH]", f"gt8|{UCUM}|[pH]"]),
    # A code that is not UCUM's, and a unit in words.
    *rows(NAME, measured("3", "mgg"), finds=[f"3|{UCUM}|mgg", "3||mgg", "3"], misses=[f"3|{UCUM}|mg"]),
    *rows(NAME, measured("3", "tablet", "http://acme.org"), finds=["3|http://acme.org|tablet", "3||tablet"],
          misses=[f"3|{UCUM}|tablet", "3|http://acme.org|pill"]),
    *rows(NAME, measured("3", "tablets", None), finds=["3||tablets", "3", "gt2||tablets"],
          misses=["3|http://acme.org|tablets", "3||tablet"]),
    *rows(NAME, observation(valueQuantity=quantity(120, "mm[Hg]") | {"unit": "mmHg"}), finds=["120||mmHg", "120||mm[Hg]"], misses=[f"120|{UCUM}|mmHg"]),
    # Separators inside a unit.
    *rows(NAME, measured("3", "a|b", "http://acme.org"), finds=["3|http://acme.org|a\\|b", "3||a\\|b"], misses=["3||a"]),
    # Prefixes, as for numbers.
    *rows(NAME, measured("185", "[lb_av]"),
          finds=["185", "ge185", "le185", "ne184", "ap200", "sa184", "eb186", f"gt80|{UCUM}|kg", f"ne185|{UCUM}|kg"],
          misses=["gt185", "lt185", "ne185", "ap220", "sa185", "eb185", f"gt84|{UCUM}|kg", f"ne185|{UCUM}|[lb_av]"]),
    # A comparator makes the value an interval that is open on one side.
    *rows(NAME, measured("5", comparator="<"),
          finds=["lt5", "lt4", "gt4.9", f"lt1|{UCUM}|g", "eb5", "le0"], misses=["5", "gt5", "ge5", "4", "sa0"]),
    *rows(NAME, measured("5", comparator="<="), finds=["ge5", "lt1", "le5"], misses=["gt5", "5"]),
    *rows(NAME, measured("5", comparator=">"), finds=["gt5", "gt100", "sa5", "ge1000", "lt5.1"], misses=["lt5", "le5", "5"]),
    *rows(NAME, measured("5", comparator=">="), finds=["ge5", "le5", "gt9"], misses=["lt5", "5"]),
    # SampledData is the interval from its least to its greatest value.
    *rows(NAME, sampled(data="2 4 E -6"), finds=["gt13", f"lt5|{UCUM}|mV", "sa3", "eb15", f"gt0.013|{UCUM}|V"],
          misses=["gt14", "lt4", "10", "gt13||V"]),
    *rows(NAME, sampled(data="1 2", factor=Decimal("0.5")), finds=["gt10.9", "lt10.6"], misses=["gt11", "lt10.5"]),
    *rows(NAME, sampled(data="E U L"), misses=["gt0", "lt100"]),
    # Nothing but a unit is no quantity.
    *rows(NAME, observation(valueQuantity={"unit": "mg"}), misses=["0", "gt0", "lt0"]),
    *rows(f"{NAME}:missing", observation(), finds=["true"], misses=["false"]),
    *rows(f"{NAME}:missing", measured("5"), finds=["false"], misses=["true"]),
    # Age and Range under one parameter.
    *rows("onset-age", condition(onsetAge=quantity(Decimal(40), "a")),
          finds=["40", "gt39", f"480|{UCUM}|mo", "40||a"], misses=["41", f"40|{UCUM}|mo"]),
    *rows("onset-age", condition(onsetRange={"low": quantity(Decimal(30), "a"), "high": quantity(Decimal(35), "a")}),
          finds=["gt30", "lt35", f"gt360|{UCUM}|mo", "ge35", "ap33", "sa29", "eb36", "ne33"],
          misses=["33", "gt35", "lt30", "sa30", f"gt420|{UCUM}|mo"]),
    *rows("onset-age", condition(onsetRange={"low": quantity(Decimal(30), "a")}), finds=["gt90", "sa29"], misses=["lt30"]),
    *rows("onset-age", condition(onsetRange={"low": quantity(Decimal(2), "a"), "high": quantity(Decimal(30), "mo")}),
          finds=[f"gt29|{UCUM}|mo", f"lt2.1|{UCUM}|a"], misses=[f"gt30|{UCUM}|mo", f"lt2|{UCUM}|a"]),
    # Money: the currency is the unit.
    *rows("price-override", charge("50.25", "USD"),
          finds=["50.25", "50.25||USD", "50.25|urn:iso:std:iso:4217|USD", "lt60||USD"],
          misses=["50.25||EUR", "50.25|urn:iso:std:iso:4217|EUR", "gt60||USD"]),
    # One parameter over two elements.
    *rows("combo-value-quantity",
          observation(component=[{"code": {"text": "c"}, "valueQuantity": quantity(Decimal(80), "mm[Hg]")}]),
          finds=["80", f"80|{UCUM}|mm[Hg]"], misses=["81"]),
    *rows("combo-value-quantity", measured("80"), finds=["80", f"80|{UCUM}|mg"], misses=[f"80|{UCUM}|mm[Hg]"]),
    *rows("component-value-quantity", measured("80"), misses=["80"]),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_quantity_is_found_as_the_specification_says(found: Search, row: Row) -> None:
    assert agrees(row, found)
