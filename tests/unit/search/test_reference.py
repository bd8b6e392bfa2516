"""https://hl7.org/fhir/R4/search.html#reference"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fhir_server.search.extract import index
from fhir_server.search.kind import Scope
from fhir_server.search.plan import simple
from fhir_server.search.query import parse
from fhir_server.search.tokens import compartment_token, token, type_token
from kernel.errors import BadValue, Invalid

Found = Callable[..., bool]


def about(reference: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", "subject": {"reference": reference}, **more}


@pytest.mark.parametrize(
    ("stored", "name", "value", "expected"),
    [
        ("Patient/1", "subject", "Patient/1", True),
        ("Patient/1", "subject", "1", True),
        ("Patient/1", "subject:Patient", "1", True),
        ("Patient/1", "subject:Group", "1", False),
        ("Patient/1", "subject:Group", "Patient/1", False),
        ("Patient/1", "subject:Patient", "Patient/1", True),
        ("http://other/fhir/Patient/1", "subject:Patient", "http://other/fhir/Patient/1", True),
        ("Patient/1", "patient", "1", True),
        ("Patient/1", "patient", "Patient/1", True),
        ("Patient/1", "patient", "Patient/2,Patient/1", True),
        ("Patient/1", "patient", "Patient/2", False),
        ("Group/1", "subject", "1", True),
        ("Group/1", "subject", "Group/1", True),
        ("Group/1", "subject", "Patient/3,Group/1", True),
        ("Patient/3", "subject", "Patient/3,Group/1", True),
        ("Group/1", "patient", "Group/1", False),
        ("Group/1", "patient", "1", False),
        ("http://other/fhir/Patient/1", "subject", "http://other/fhir/Patient/1", True),
        ("http://other/fhir/Patient/1", "subject", "Patient/1", False),
        ("Patient/1/_history/2", "subject", "Patient/1", True),
        ("Patient/1/_history/2", "subject", "Patient/1/_history/2", True),
        ("Patient/1", "subject", "Patient/1/_history/2", False),
        ("urn:uuid:c757873d-ec9a-4326-a141-556f43239520", "subject",
         "urn:uuid:c757873d-ec9a-4326-a141-556f43239520", True),
        ("#contained", "subject", "Patient/contained", False),
    ],
)  # fmt: skip
def test_a_reference_is_found_in_the_forms_of_the_specification(
    found: Found, stored: str, name: str, value: str, expected: bool
) -> None:
    assert found(about(stored), (name, value)) is expected


def test_a_url_of_our_own_is_found_as_a_relative_reference(found: Found) -> None:
    base, url = "http://me/fhir", "http://me/fhir/Patient/1"

    assert found(about("Patient/1"), ("subject", url), base=base)
    assert found(about(url), ("subject", url), base=base)
    assert not found(about("Patient/1"), ("subject", "http://you/fhir/Patient/1"), base=base)


def test_a_logical_reference_is_found_by_its_identifier(found: Found) -> None:
    observation = {
        "resourceType": "Observation",
        "subject": {"identifier": {"system": "http://acme", "value": "7"}},
    }

    assert found(observation, ("subject:identifier", "http://acme|7"))
    assert found(observation, ("patient:identifier", "7"))
    assert not found(observation, ("subject:identifier", "http://acme|8"))


def test_a_parameter_with_several_elements_looks_into_all(found: Found) -> None:
    event = {"resourceType": "AuditEvent", "entity": [{"what": {"reference": "Patient/1"}}]}

    assert found(event, ("patient", "1"))
    assert not found(event, ("agent", "Patient/1"))


def test_a_filtered_element_is_found_only_where_its_filter_holds(found: Found) -> None:
    measure = {
        "resourceType": "Measure",
        "relatedArtifact": [{"type": "depends-on", "resource": "http://library|1"}],
    }

    assert found(measure, ("depends-on", "http://library"))
    assert not found(measure, ("composed-of", "http://library"))


def test_the_one_patient_of_a_resource_is_kept_apart() -> None:
    assert index(about("Patient/1")).patient == token("Patient/1")
    assert index(about("Group/1")).patient is None
    assert index({"resourceType": "Patient", "id": "1"}).patient == token("Patient/1")
    two = [{"actor": {"reference": f"Patient/{number}"}} for number in (1, 2)]
    assert index({"resourceType": "Appointment", "participant": two}).patient is None
    assert index({"resourceType": "Appointment", "participant": two[:1]}).patient is not None


def test_a_search_for_a_patient_s_resources_uses_the_patient_index() -> None:
    parameters = [("patient", "1"), ("code", "x")]
    query = parse("Observation", parameters, lenient=False, default_count=1, max_count=1)

    condition = simple("Observation", query.criteria["Observation"], Scope())
    assert condition == {"p": token("Patient/1"), "k": token("Observation.code=x")}


def test_appointments_of_several_patients_are_found_by_each(found: Found) -> None:
    two = [{"actor": {"reference": f"Patient/{number}"}} for number in (1, 2)]
    appointment = {"resourceType": "Appointment", "participant": two}

    assert found(appointment, ("patient", "1"))
    assert found(appointment, ("patient", "Patient/2"))
    assert not found(appointment, ("patient", "3"))


def test_a_resource_is_in_the_compartments_of_all_its_patients() -> None:
    observation = about("Patient/1", performer=[{"reference": "Patient/2"}])
    tokens = index(observation | {"focus": [{"reference": "Patient/3"}]}).tokens

    assert compartment_token("Patient/1") in tokens
    assert compartment_token("Patient/2") in tokens
    assert compartment_token("Patient/3") not in tokens
    assert type_token("Observation") in tokens


def test_a_patient_is_in_its_own_compartment_and_in_that_of_its_links() -> None:
    links = [{"other": {"reference": "Patient/2"}}]
    tokens = index({"resourceType": "Patient", "id": "1", "link": links}).tokens

    assert compartment_token("Patient/1") in tokens
    assert compartment_token("Patient/2") in tokens


def test_a_bare_id_needs_a_type_if_the_target_may_be_any(found: Found) -> None:
    with pytest.raises(BadValue, match="needs one: `Type/1`"):
        found({"resourceType": "Provenance"}, ("target", "1"))


def test_a_type_that_is_never_referred_to_is_refused(found: Found) -> None:
    with pytest.raises(Invalid, match="never refers to a `Medication`"):
        found(about("Patient/1"), ("subject:Medication", "1"))


def test_a_value_that_is_no_reference_is_refused(found: Found) -> None:
    with pytest.raises(BadValue, match="is not an id"):
        found(about("Patient/1"), ("subject", "a b"))
