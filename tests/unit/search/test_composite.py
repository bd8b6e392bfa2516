"""https://hl7.org/fhir/R4/search.html#composite"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.search import parameters
from fhir_server.search.extract import index
from fhir_server.search.kind import kind_of
from fhir_server.search.params.composite import MOST_ENTRIES
from kernel.errors import BadStructure, BadValue

Found = Callable[..., bool]
NAME = "component-code-value-quantity"


def observed(*components: tuple[str, int]) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "component": [
            {"code": {"coding": [{"system": "http://s", "code": code}]}, "valueQuantity": {"value": value}}
            for code, value in components
        ],
    }  # fmt: skip


def test_every_composite_of_r4_can_be_searched_with() -> None:
    rows = [
        row for type in parameters.types() for row in parameters.of(type).values()
        if row.kind == "composite"
    ]  # fmt: skip

    assert len(rows) > 60
    for row in rows:
        assert kind_of(row) is not None
        assert all(len(root.parts) > 1 for root in row.composite)


def test_every_parameter_of_r4_can_be_searched_with_but_those_of_all_types() -> None:
    left = {
        row.name
        for type in parameters.types()
        for row in parameters.of(type).values()
        if kind_of(row) is None
    }

    assert left == {"_content", "_filter", "_query", "_text"}


def test_parts_that_occur_once_take_no_entries_of_their_own() -> None:
    code = {"coding": [{"system": "http://s", "code": "a"}]}
    observation = {"resourceType": "Observation", "code": code, "valueQuantity": {"value": 5}}

    assert len(index(observation).quantities) == 1


def test_a_component_has_one_entry_for_its_value_and_one_for_its_code_and_value() -> None:
    assert len(index(observed(("a", 1))).quantities) == 2
    assert len(index(observed(("a", 1), ("b", 2))).quantities) == 4


def test_composites_of_one_structure_share_their_entries() -> None:
    variant = {"start": 1, "end": 2}
    sequence = {"resourceType": "MolecularSequence", "variant": [variant]}

    assert len(index(sequence).quantities) == 3  # start, end, and both


@pytest.mark.parametrize(
    "value", ["a", "a$", "$5", "a$5$6", "a$x", "a$5|mg", "|$5", "a|b|c$5", "$"]
)
def test_a_value_that_is_no_composite_is_refused(found: Found, value: str) -> None:
    with pytest.raises(BadValue, match=r"has not one value for each part|is not "):
        found(observed(("a", 5)), (NAME, value))


def test_the_refusal_names_the_parts(found: Found) -> None:
    with pytest.raises(BadValue, match=r"`component-code\$component-value-quantity`"):
        found(observed(("a", 5)), (NAME, "a"))


@pytest.mark.parametrize("code", ["a", 5, [5], {"coding": 5}, {"coding": [5]}])
def test_a_component_without_its_structure_is_refused(code: Any) -> None:
    with pytest.raises(BadStructure, match="does not have the structure"):
        index({"resourceType": "Observation", "component": [{"code": code, "valueQuantity": {"value": 1}}]})  # fmt: skip


def test_a_hostile_component_has_a_bounded_number_of_entries() -> None:
    many = {"coding": [{"system": "http://s", "code": str(number)} for number in range(2000)]}
    observation = {
        "resourceType": "Observation",
        "component": [{"code": many, "valueCodeableConcept": many}],
    }

    assert len(index(observation).quantities) == MOST_ENTRIES


CODES = st.text(alphabet="ab|$,\\", min_size=1, max_size=4)


def escaped(text: str) -> str:
    for character in "\\,|$":
        text = text.replace(character, f"\\{character}")
    return text


@given(st.lists(st.tuples(CODES, st.integers(0, 20)), max_size=4), CODES, st.integers(0, 20))
def test_both_parts_are_met_in_one_element_or_not_at_all(
    found: Found, components: list[tuple[str, int]], code: str, value: int
) -> None:
    observation = observed(*components)
    together = (code, value) in components

    assert found(observation, (NAME, f"{escaped(code)}${value}")) is together
    assert found(observation, (NAME, f"http://s|{escaped(code)}${value}")) is together
    assert found(observation, (NAME, f"http://s|$gt{value}")) is any(
        v > value for _, v in components
    )
    assert not found(observation, (NAME, f"|{escaped(code)}${value}"))
