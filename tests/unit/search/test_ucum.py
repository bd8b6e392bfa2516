"""https://ucum.org/ucum"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.search import ucum

# Codes as laboratories write them, from UCUM's own table of examples.
COMMON: Final = """
    % %{WBCs} /(12.h) /100{WBCs} /[HPF] /d /uL 10*3/uL 10*6.[CFU]/L 10*9/L 10.L/min 10.uN.s/(cm5.m2)
    Cel [degF] [IU]/L k[IU]/L [arb'U]/mL [CFU]/mL [pH] [in_i] [lb_av] [ft_us] [oz_av] [drp]
    cm[H2O] mm[Hg] m[H2O] kPa g.m/s g/(100.g) g/(8.h){shift} g/dL mg/g{creat} umol/min/g{Hb}
    mmol/kg/(8.h) mosm/kg{Hb} meq/L nmol/s U/10*10 {INR} {score} {Ehrlich'U}/mL kcal/(kg.d)
    ng/mL/h ug/m2/(24.h) a mo wk d h min s dB B[SPL] m/s2 1/min kg/m2 cal_[15] m2 cm3 ms
"""


@pytest.mark.parametrize("unit", COMMON.split())
def test_a_unit_of_common_use_is_valid(unit: str) -> None:
    assert ucum.valid(unit)


@pytest.mark.parametrize(
    "unit",
    [
        "", " ", "mg ", "mmHg", "M", "MMOL", "kgm", "kmin", "m//s", "m.", "m/", "(m", "m)", "()",
        "{", "{a", "}", "m{a b}", "m{a{b}}", "m{ü}", "µg", "[x", "m-", "m+", "m0", "0", "2.5m",
        "10*9999999", "10*2000.10*2000", "Cel/h", "m.Cel", "Cel2", "dBB", "k%", "km[in_i]",
        "mm" + ".m" * 200, "(" * 150 + "m" + ")" * 49,
    ],
)  # fmt: skip
def test_what_is_no_unit_is_none(unit: str) -> None:
    assert not ucum.valid(unit)
    assert ucum.canonical(Decimal(1), unit) is None
    assert ucum.convert(Decimal(1), unit, "m") is None
    assert ucum.convert(Decimal(1), "m", unit) is None


@pytest.mark.parametrize(
    ("value", "unit", "expected", "base"),
    [
        ("5400", "ug", "0.0054", "g"),
        ("5.4", "mg", "0.0054", "g"),
        ("1", "kg", "1000", "g"),
        ("1", "L", "0.001", "m3"),
        ("120", "mm[Hg]", "15998640", "g.m-1.s-2"),
        ("1", "m/s.s", "1", "m"),  # from left to right
        ("1", "m/(s.s)", "1", "m.s-2"),
        ("1", "m2.3", "3", "m2"),
        ("1", "10*3/uL", "1000000000000", "m-3"),
        ("1", "10^9/L", "1000000000000", "m-3"),
        ("50", "%", "0.5", "1"),
        ("7", "{score}", "7", "1"),
        ("7", "1", "7", "1"),
        ("60", "/min", "1", "s-1"),
        ("2", "[IU]/L", "2000", "[iU].m-3"),
        ("37", "Cel", "310.15", "K"),
        ("98.6", "[degF]", "310.15", "K"),
        ("1000", "mCel", "274.15", "K"),
        ("1", "rad", "1", "rad"),
        ("0.1", "mol", "60221407600000000000000", "1"),
    ],
)
def test_a_value_in_base_units_is_exact(value: str, unit: str, expected: str, base: str) -> None:
    assert ucum.canonical(Decimal(value), unit) == (Decimal(expected), base)


@pytest.mark.parametrize(
    ("value", "source", "target", "expected"),
    [
        ("5400", "ug", "mg", "5.4"),
        ("37", "Cel", "[degF]", "98.6"),
        ("-40", "[degF]", "Cel", "-40"),
        ("20", "[degRe]", "Cel", "25"),
        ("1", "[in_i]", "cm", "2.54"),
        ("1", "[lb_av]", "g", "453.59237"),
        ("1", "[ft_i]", "[in_i]", "12"),
        ("1", "a", "d", "365.25"),
        ("1", "wk", "h", "168"),
        ("1", "[IU]/mL", "[iU]/L", "1000"),
        ("10", "dB", "B", "1"),
        ("3", "B", "1", "1000"),
        ("1", "[pH]", "mol/L", "0.1"),
        ("0.001", "mol/L", "[pH]", "3"),
        ("2", "bit_s", "1", "4"),
        ("100", "%[slope]", "deg", "45"),
        ("2", "B[SPL]", "Pa", "0.0002"),
        ("3", "[hp'_X]", "1", "0.001"),
        ("2", "[m/s2/Hz^(1/2)]", "m2/s3", "4"),
        ("5.40", "mg", "mg", "5.40"),
    ],
)
def test_a_conversion_is_exact(value: str, source: str, target: str, expected: str) -> None:
    assert ucum.convert(Decimal(value), source, target) == Decimal(expected)


def test_a_conversion_without_an_end_is_rounded_once() -> None:
    assert ucum.convert(Decimal(1), "[ft_us]", "m") == Decimal("0.304800609601219202438404876810")


@pytest.mark.parametrize(
    ("source", "target"),
    [("mg", "mL"), ("[IU]", "[arb'U]"), ("[IU]", "1"), ("Cel", "m"), ("mg/dL", "mmol/L")],
)
def test_units_of_different_things_are_not_converted(source: str, target: str) -> None:
    assert ucum.convert(Decimal(1), source, target) is None


@pytest.mark.parametrize(
    ("value", "source", "target"),
    [("0", "1", "[pH]"), ("-1", "1", "B"), ("99999", "B", "1"), ("NaN", "mg", "g"), ("1e9999", "m", "km")],
)  # fmt: skip
def test_a_value_that_has_no_number_there_is_none(value: str, source: str, target: str) -> None:
    assert ucum.convert(Decimal(value), source, target) is None


@pytest.mark.parametrize("unit", ["mg", "Cel", "[degF]", "[pH]", "dB", "mm[Hg]"])
def test_the_double_is_the_nearest_to_the_exact_value(unit: str) -> None:
    parsed, exact = ucum.parse(unit), ucum.canonical(Decimal("7.35"), unit)

    assert parsed is not None
    assert exact is not None
    assert parsed.real(Decimal("7.35")) == pytest.approx(float(exact[0]), rel=1e-15)


def test_a_value_beyond_any_double_is_infinite() -> None:
    gram = ucum.parse("kg")

    assert gram is not None
    assert gram.real(Decimal("1e999")) == math.inf
    assert gram.real(-(10**999)) == -math.inf


def test_more_acid_is_less_ph() -> None:
    acid, glucose = ucum.parse("[pH]"), ucum.parse("mg/dL")

    assert acid is not None
    assert not acid.rising
    assert glucose is not None
    assert glucose.rising


SYMBOLS = st.sampled_from(["m", "g", "s", "mol", "L", "Pa", "[in_i]", "[IU]", "K", "10*3", "rad"])
TERMS = st.recursive(
    st.builds(lambda unit, power: f"{unit}{power or ''}", SYMBOLS, st.sampled_from(["", 2, -1]))
    .map(lambda text: text if "10*3" not in text else "10*3"),
    lambda inner: st.builds(
        lambda left, sign, right: f"({left}){sign}({right})", inner, st.sampled_from("./"), inner
    ),
    max_leaves=6,
)  # fmt: skip
VALUES = st.decimals(
    allow_nan=False, allow_infinity=False, places=4, min_value=-(10**6), max_value=10**6
)


@given(TERMS, VALUES)
def test_base_units_are_units_and_leave_a_value_as_it_is(unit: str, value: Decimal) -> None:
    found = ucum.canonical(value, unit)

    assert found is not None
    assert ucum.canonical(*found) == found


@given(st.text(alphabet="mgskLd[]in_u.()/{}*^10-+2 %'", max_size=40), VALUES)
def test_no_text_does_harm(unit: str, value: Decimal) -> None:
    found = ucum.canonical(value, unit)

    assert (found is not None) == ucum.valid(unit)


@given(VALUES, st.sampled_from(["mg", "[lb_av]", "Cel", "[degF]", "mm[Hg]", "[in_i]"]))
def test_order_is_kept_in_base_units(value: Decimal, unit: str) -> None:
    parsed = ucum.parse(unit)

    assert parsed is not None
    assert parsed.real(value) < parsed.real(value + Decimal("0.0001"))
