"""https://hl7.org/fhir/R4/search.html#string"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.search import parameters
from fhir_server.search.strings import LONGEST, fold, short_key
from kernel.errors import BadValue

Found = Callable[..., bool]

PATIENT = {
    "resourceType": "Patient",
    "name": [{"family": "Müller  de la Cruz", "given": ["Evelyn", None], "text": "a.b*c"}],
    "address": [{"line": ["1 Main St"], "city": "São Paulo", "postalCode": "01000"}],
}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("given", "eve", True),
        ("given", "Evelyn", True),
        ("given", "EVE", True),
        ("given", "lyn", False),
        ("given:contains", "lyn", True),
        ("given:contains", "LYN", True),
        ("given:contains", "xyz", False),
        ("given:exact", "Evelyn", True),
        ("given:exact", "evelyn", False),
        ("given:exact", "Eve", False),
        ("family", "muller", True),
        ("family", "Müller de", True),
        ("family", "de la", False),
        ("family:exact", "Müller  de la Cruz", True),
        ("family:exact", "Müller de la Cruz", False),
        ("name", "eve", True),
        ("name", "mull", True),
        ("name", "zed,mull", True),
        ("name:contains", "b*c", True),
        ("name:contains", "b.*", False),
        ("name:contains", ".*", False),
        ("address", "sao", True),
        ("address", "1 main", True),
        ("address-city", "sao paulo", True),
        ("address-postalcode", "010", True),
        ("address-state:missing", "true", True),
        ("address-city:missing", "true", False),
        ("address-city:missing", "false", True),
    ],
)
def test_a_string_is_found_in_the_forms_of_the_specification(
    found: Found, name: str, value: str, expected: bool
) -> None:
    assert found(PATIENT, (name, value)) is expected


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Ångström", "angstrom"),
        ("STRASSE", "strasse"),
        ("Straße", "strasse"),
        ("  two \t words\n", "two words"),
        ("İstanbul", "istanbul"),
        ("Ελλάδα", "ελλαδα"),
        ("ﬁn", "fin"),
    ],
)
def test_case_accents_and_white_space_do_not_count(text: str, folded: str) -> None:
    assert fold(text) == folded


def test_the_part_of_an_element_s_name_is_no_part_of_its_value(found: Found) -> None:
    patient = {"resourceType": "Patient", "name": [{"family": "Eve"}]}

    assert not found(patient, ("given", "eve"))


def test_a_text_that_is_too_long_is_refused(found: Found) -> None:
    with pytest.raises(BadValue, match="512 are allowed"):
        found(PATIENT, ("name", "x" * (LONGEST + 1)))


def test_a_long_text_is_found_by_its_beginning(found: Found) -> None:
    patient = {"resourceType": "Patient", "name": [{"text": "X" * 5000}]}

    assert found(patient, ("name", "x" * LONGEST))


def test_no_two_elements_of_a_type_share_a_key() -> None:
    for type in parameters.types():
        keys = {key for row in parameters.of(type).values() for key in row.keys}
        assert len({short_key(type, key) for key in keys}) == len(keys)


TEXT = st.text(min_size=1, max_size=30).filter(lambda text: "\x00" not in text)


@given(TEXT)
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(TEXT, st.integers(1, 30))
def test_what_is_indexed_is_found_by_asking_for_it(found: Found, text: str, length: int) -> None:
    patient = {"resourceType": "Patient", "name": [{"family": text}]}
    words = [word for word in fold(text).split() if word.isalnum()]

    for word in words:
        assert found(patient, ("family:contains", word))
    if words and fold(text).startswith(words[0]):
        assert found(patient, ("family", words[0][:length]))
