"""https://hl7.org/fhir/R4/search.html#token"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.search.tokens import token
from kernel.errors import BadValue, Invalid

Found = Callable[..., bool]

PATIENT = {
    "resourceType": "Patient",
    "id": "p1",
    "meta": {"tag": [{"system": "http://tags", "code": "vip"}], "profile": ["http://profile|1"]},
    "identifier": [
        {"system": "http://acme.org/patient", "value": "2345"},
        {"value": "no-system"},
        {"system": "only-system"},
    ],
    "gender": "male",
    "active": True,
    "telecom": [
        {"system": "phone", "value": "555"},
        {"system": "email", "value": "a@b.org"},
    ],
}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("identifier", "http://acme.org/patient|2345", True),
        ("identifier", "2345", True),
        ("identifier", "http://acme.org/patient|", True),
        ("identifier", "|no-system", True),
        ("identifier", "no-system", True),
        ("identifier", "only-system|", True),
        ("identifier", "|2345", False),
        ("identifier", "http://other|2345", False),
        ("identifier", "http://other|", False),
        ("identifier", "234", False),
        ("identifier", "9,2345", True),
        ("identifier:not", "2345", False),
        ("identifier:not", "9,8", True),
        ("gender", "male", True),
        ("gender", "http://hl7.org/fhir/administrative-gender|male", True),
        ("gender", "http://hl7.org/fhir/other|male", False),
        ("gender", "MALE", False),
        ("gender:not", "male", False),
        ("gender:not", "female", True),
        ("active", "true", True),
        ("active", "false", False),
        ("deceased", "false", True),
        ("deceased", "true", False),
        ("telecom", "555", True),
        ("telecom", "a@b.org", True),
        ("telecom", "phone|555", True),
        ("telecom", "email|555", False),
        ("telecom", "fax|555", False),
        ("telecom", "|555", True),
        ("phone", "phone|555", True),
        ("phone", "email|a@b.org", False),
        ("active", "http://terminology.hl7.org/CodeSystem/special-values|true", True),
        ("active", "http://hl7.org/fhir|true", False),
        ("phone", "555", True),
        ("phone", "a@b.org", False),
        ("email", "a@b.org", True),
        ("_tag", "http://tags|vip", True),
        ("_tag", "vip", True),
        ("_tag", "http://tags|other", False),
        ("_profile", "http://profile|1", True),
        ("_profile", "http://profile", True),
        ("_profile", "http://profile|2", False),
        ("_id", "p1", True),
        ("_id", "p2,p1", True),
        ("_id", "p2", False),
    ],
)
def test_a_token_is_found_in_the_forms_of_the_specification(
    found: Found, name: str, value: str, expected: bool
) -> None:
    assert found(PATIENT, (name, value)) is expected


def test_a_date_of_death_is_a_death(found: Found) -> None:
    dead = {"resourceType": "Patient", "deceasedDateTime": "2020"}

    assert found(dead, ("deceased", "true"))
    assert found(dead, ("deceased:missing", "false"))
    assert found({"resourceType": "Patient"}, ("deceased:missing", "true"))
    assert not found(dead, ("deceased", "false"))
    assert found(dead, ("death-date", "2020"))


def test_a_combined_parameter_looks_into_both_elements(found: Found) -> None:
    concept = {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]}
    observation = {"resourceType": "Observation", "component": [{"code": concept}]}

    assert found(observation, ("combo-code", "http://loinc.org|8480-6"))
    assert found(observation, ("component-code", "8480-6"))
    assert not found(observation, ("code", "8480-6"))


def test_a_token_is_64_signed_bits_that_never_change() -> None:
    assert token("_type=Patient") == token("_type=Patient")
    assert -(1 << 63) <= token("x") < 1 << 63
    assert token("Patient.gender=male") == 4482861976952692533


@pytest.mark.parametrize("value", ["|", "a|b|c"])
def test_a_value_that_is_no_token_is_refused(found: Found, value: str) -> None:
    with pytest.raises(BadValue, match="is not `code`"):
        found(PATIENT, ("identifier", value))


@pytest.mark.parametrize("modifier", ["in", "not-in", "above", "below", "exact", "x"])
def test_a_modifier_that_is_not_built_is_refused(found: Found, modifier: str) -> None:
    with pytest.raises(Invalid, match=f"`:{modifier}`") as refusal:
        found(PATIENT, (f"identifier:{modifier}", "x"))

    assert refusal.value.issues[0].code == "not-supported"


TEXT = st.text(min_size=1, max_size=20).filter(
    lambda text: "\x00" not in text and not any("\ud800" <= c <= "\udfff" for c in text)
)


def escaped(text: str) -> str:
    for character in "\\,|$":
        text = text.replace(character, f"\\{character}")
    return text


@given(system=TEXT, value=TEXT, other=TEXT)
def test_what_is_indexed_is_found_by_asking_for_it(
    found: Found, system: str, value: str, other: str
) -> None:
    patient: dict[str, Any] = {
        "resourceType": "Patient",
        "identifier": [{"system": system, "value": value}],
    }

    assert found(patient, ("identifier", f"{escaped(system)}|{escaped(value)}"))
    assert found(patient, ("identifier", escaped(value)))
    assert found(patient, ("identifier", f"{escaped(system)}|"))
    assert not found(patient, ("identifier", f"|{escaped(value)}"))
    assert found(patient, ("identifier", escaped(other))) is (other == value)
