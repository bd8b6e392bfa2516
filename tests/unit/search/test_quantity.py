"""https://hl7.org/fhir/R4/search.html#quantity"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.search import ucum
from fhir_server.search.extract import index
from fhir_server.search.tokens import token
from kernel.errors import BadStructure, BadValue

Found = Callable[..., bool]


def measured(value: Any, unit: str = "mg", **more: Any) -> dict[str, Any]:
    quantity = {"value": value, "unit": unit, "system": ucum.SYSTEM, "code": unit} | more
    return {"resourceType": "Observation", "valueQuantity": quantity}


def test_a_quantity_has_an_entry_as_written_and_one_in_base_units() -> None:
    written, base = index(measured(Decimal("5.4"))).quantities

    assert written[:3] == (token("Observation.valueQuantity"), 5.4, 5.4)
    assert token("_unit=|mg") in written[3]
    assert token(f"_unit={ucum.SYSTEM}|mg") in written[3]
    assert base == (token("Observation.valueQuantity=g"), 0.0054, 0.0054, ())


@pytest.mark.parametrize("more", [{"code": "mgg"}, {"system": "http://acme"}, {"code": None}])
def test_a_unit_that_is_not_ucum_s_has_no_entry_in_base_units(more: dict[str, Any]) -> None:
    assert len(index(measured(5, **more)).quantities) == 1


@pytest.mark.parametrize(
    "value", ["5.4|", "5.4|mg", "5.4||", "5.4|a|b|c", "|mg", f"|{ucum.SYSTEM}|mg", "x||mg", "5.4 mg", "5.4mg"]
)  # fmt: skip
def test_a_value_that_is_no_quantity_is_refused(found: Found, value: str) -> None:
    with pytest.raises(BadValue, match=r"is not `number`|is not a number"):
        found(measured(5), ("value-quantity", value))


@pytest.mark.parametrize("quantity", ["5 mg", 5, True, [1]])
def test_what_is_no_quantity_is_refused(quantity: Any) -> None:
    with pytest.raises(BadStructure, match="does not have the structure of `Observation`"):
        index({"resourceType": "Observation", "valueQuantity": quantity})


def test_a_quantity_without_a_number_is_not_indexed() -> None:
    for value in (None, "5", True):
        assert index(measured(value)).quantities == ()


def test_a_comparator_that_is_none_is_taken_for_none(found: Found) -> None:
    assert found(measured(5, comparator="~"), ("value-quantity", "5"))


def test_a_long_series_of_samples_takes_the_entries_of_an_interval() -> None:
    origin = {"value": 0, "system": ucum.SYSTEM, "code": "mV"}
    data = " ".join(str(number % 1000) for number in range(50_000))
    sampled = {"resourceType": "Observation", "valueSampledData": {"origin": origin, "data": data}}

    written, base, *second = index(sampled).quantities

    assert written[1:3] == (0.0, 999.0)
    assert [entry[1:] for entry in second] == [written[1:], base[1:]]
    assert base[2] == pytest.approx(999.0)  # a volt is 1000 g.m2.s-2.C-1


UNITS = st.sampled_from(
    [("mg", "g"), ("mm[Hg]", "kPa"), ("Cel", "[degF]"), ("[in_i]", "cm"), ("h", "min"), ("mmol/L", "mol/m3")]
)  # fmt: skip
VALUES = st.decimals(min_value=-1000, max_value=10**6, allow_nan=False, places=3)


@given(VALUES, UNITS)
def test_what_is_indexed_is_found_in_another_unit(
    found: Found, value: Decimal, units: tuple[str, str]
) -> None:
    stored, other = measured(value, units[0]), ucum.convert(value, *units)

    assert other is not None
    written = f"{other:f}"
    if len(written) <= 64:
        assert found(stored, ("value-quantity", f"{written}|{ucum.SYSTEM}|{units[1]}"))
    assert found(stored, ("value-quantity", f"{value}|{ucum.SYSTEM}|{units[0]}"))
    assert found(stored, ("value-quantity", f"ge{value}||{units[0]}"))
    assert not found(stored, ("value-quantity", f"gt{value}|{ucum.SYSTEM}|{units[0]}"))
    assert not found(stored, ("value-quantity", f"{value + 1}|{ucum.SYSTEM}|{units[0]}"))


@given(VALUES, VALUES)
def test_quantities_are_compared_in_base_units_as_they_are_written(
    found: Found, value: Decimal, other: Decimal
) -> None:
    stored = measured(value * 1000, "ug")

    for prefix, holds in (("gt", value > other), ("lt", value < other), ("ge", value >= other)):
        asked = f"{prefix}{other}|{ucum.SYSTEM}|mg"
        assert found(stored, ("value-quantity", asked)) is holds
