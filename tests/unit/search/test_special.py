"""https://hl7.org/fhir/R4/location.html#search"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.search.extract import index
from fhir_server.search.params.special import EARTH, near
from kernel.errors import BadStructure, BadValue

Found = Callable[..., bool]


def at(latitude: float, longitude: float) -> dict[str, Any]:
    return {"resourceType": "Location", "position": {"latitude": latitude, "longitude": longitude}}


@pytest.mark.parametrize(
    ("value", "metres"),
    [
        ("1|2|3", 3000),
        ("1|2|3|km", 3000),
        ("1|2|3|m", 3),
        ("1|2|1|[mi_us]", 1609.347),
        ("1|2|1|mi", 1609.347),
        ("1|2|1|[nmi_i]", 1852),
        ("1|2|1|[ft_i]", 0.3048),
        ("1|2", 50_000),
        ("1|2||", 50_000),
        ("1|2||mg", 50_000),  # without a distance the unit does not matter
    ],
)
def test_a_distance_is_in_kilometres_unless_it_says_otherwise(value: str, metres: float) -> None:
    longitude, latitude, radians = near(value)

    assert (longitude, latitude) == (2.0, 1.0)
    assert radians * EARTH == pytest.approx(metres, rel=1e-6)


def test_nothing_is_farther_than_half_way_round() -> None:
    assert near("0|0|1e30|km")[2] == math.pi


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("1", "is not `latitude|longitude|distance|unit`"),
        ("1|2|3|km|5", "is not `latitude|longitude|distance|unit`"),
        ("91|0|1", "is not between -90 and 90"),
        ("0|-181|1", "is not between -180 and 180"),
        ("x|0|1", "is not a number"),
        ("0||1", "is not a number"),
        ("0|0|far", "is not a number"),
        ("0|0|-1", "is less than no distance"),
        ("0|0|1|mg", "is no length"),
        ("0|0|1|parsecs", "is no length"),
        ("NaN|0|1", "is not a number"),
        (f"0|0|{'9' * 99}", "is not a number"),
    ],
)
def test_what_is_nowhere_is_refused(found: Found, value: str, sentence: str) -> None:
    with pytest.raises(BadValue) as refusal:
        found(at(0, 0), ("near", value))

    assert sentence in str(refusal.value)


def test_a_position_has_one_point_and_one_entry() -> None:
    indexed = index(at(48.2, 16.4))

    assert indexed.point == (16.4, 48.2)
    assert [entry[1:] for entry in indexed.quantities] == [(48.2, 48.2, ())]


@pytest.mark.parametrize("position", [{}, {"latitude": 1}, {"latitude": "1", "longitude": 2}])
def test_half_a_position_is_none(position: dict[str, Any]) -> None:
    assert index({"resourceType": "Location", "position": position}).point is None


def test_what_is_no_position_is_refused() -> None:
    with pytest.raises(BadStructure, match="structure of `Location`"):
        index({"resourceType": "Location", "position": [5]})


LATITUDES = st.floats(-90, 90, allow_nan=False).map(lambda value: round(value, 6))
LONGITUDES = st.floats(-180, 180, allow_nan=False).map(lambda value: round(value, 6))


@given(LATITUDES, LONGITUDES, LATITUDES, LONGITUDES)
def test_the_belt_loses_nobody_who_is_near(
    found: Found, north: float, east: float, other_north: float, other_east: float
) -> None:
    points = [
        (math.cos(a) * math.cos(b), math.cos(a) * math.sin(b), math.sin(a))
        for a, b in ((math.radians(north), math.radians(east)),
                     (math.radians(other_north), math.radians(other_east)))
    ]  # fmt: skip
    kilometres = 2 * math.asin(min(math.dist(*points) / 2, 1)) * EARTH / 1000

    wide, narrow = f"{kilometres + 0.1:.6f}", f"{max(kilometres - 0.1, 0):.6f}"

    assert found(at(north, east), ("near", f"{other_north:.6f}|{other_east:.6f}|{wide}"))
    if kilometres > 0.2:
        assert not found(at(north, east), ("near", f"{other_north:.6f}|{other_east:.6f}|{narrow}"))
