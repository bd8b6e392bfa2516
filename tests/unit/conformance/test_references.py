"""References: the type, the profile and the place of what they point to.

https://hl7.org/fhir/R4/references.html
"""

from __future__ import annotations

import pytest

from tests.unit.conformance.profiling import CORE, Json, faults, profile, remarks, whole

OBSERVATION: Json = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
NAMED = profile("Patient", {"path": "Patient.name", "min": 1}, name="named")


def about(*targets: str) -> Json:
    type = {"code": "Reference", "targetProfile": list(targets)}
    return profile("Observation", {"path": "Observation.subject", "type": [type]})


@pytest.mark.parametrize(
    ("reference", "fine"),
    [
        ({"reference": "Patient/1"}, True),
        ({"reference": "Group/1"}, False),
        ({"reference": "http://far.away/fhir/Group/1"}, False),
        ({"reference": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"}, True),
        ({"reference": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", "type": "Group"}, False),
        ({"identifier": {"value": "1"}}, True),
        ({"identifier": {"value": "1"}, "type": "Group"}, False),
        ({"display": "somebody"}, True),
    ],
)
def test_a_profile_narrows_the_types_down(reference: Json, fine: bool) -> None:
    found = faults(OBSERVATION | {"subject": reference}, about(f"{CORE}Patient"))

    assert (found == []) == fine
    assert {code for code, _ in found} <= {"value"}


def test_what_is_contained_must_have_the_type() -> None:
    body = OBSERVATION | {"subject": {"reference": "#x"}}
    group = {"resourceType": "Group", "id": "x", "type": "person", "actual": True}

    assert faults(body | {"contained": [group]}, about(f"{CORE}Patient")) == [
        ("value", "Observation.subject.reference")
    ]


def test_what_is_in_sight_must_conform() -> None:
    body = OBSERVATION | {"subject": {"reference": "#p"}}
    patient: Json = {"resourceType": "Patient", "id": "p"}

    nameless = faults(body | {"contained": [patient]}, about(NAMED["url"]), NAMED)
    named = faults(
        body | {"contained": [patient | {"name": [{"text": "x"}]}]}, about(NAMED["url"]), NAMED
    )

    assert nameless == [("structure", "Observation.subject.reference")]
    assert named == []


def test_what_the_caller_can_resolve_is_in_sight() -> None:
    body = OBSERVATION | {"subject": {"reference": "Patient/1"}}
    stored = {"Patient/1": {"resourceType": "Patient", "id": "1"}}

    found = faults(body, about(NAMED["url"]), NAMED, resolve=stored.get)

    assert found == [("structure", "Observation.subject.reference")]


def test_any_of_the_profiles_is_enough() -> None:
    body = OBSERVATION | {"subject": {"reference": "#p"}}
    patient = {"resourceType": "Patient", "id": "p"}

    assert (
        faults(body | {"contained": [patient]}, about(NAMED["url"], f"{CORE}Patient"), NAMED) == []
    )


def test_resources_that_refer_to_each_other_end() -> None:
    linked = profile(
        "Patient",
        {
            "path": "Patient.link.other",
            "type": [{"code": "Reference", "targetProfile": ["http://example.org/fhir/linked"]}],
        },
        name="linked",
    )
    patients = [
        {
            "resourceType": "Patient",
            "id": one,
            "link": [{"type": "seealso", "other": {"reference": f"Patient/{other}"}}],
        }
        for one, other in (("1", "2"), ("2", "1"))
    ]
    stored = {f"Patient/{patient['id']}": patient for patient in patients}

    assert faults(patients[0], linked, resolve=stored.get) == []


def test_a_reference_to_nothing_is_told_if_somebody_knows() -> None:
    body = OBSERVATION | {
        "subject": {"reference": "Patient/1"},
        "encounter": {"reference": "Encounter/2"},
    }

    found = whole(body, exists=lambda reference: reference != "Patient/1")

    assert remarks(found, "error") == [("not-found", "Observation.subject.reference")]


def test_an_entry_of_the_same_bundle_is_in_sight() -> None:
    subject = {"resource": OBSERVATION | {"subject": {"reference": "urn:uuid:1"}}}
    group = {"resourceType": "Group", "type": "person", "actual": True}
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [
            subject | {"fullUrl": "urn:uuid:2"},
            {"fullUrl": "urn:uuid:1", "resource": group},
        ],
    }
    declared = about(f"{CORE}Patient")
    subject["resource"] |= {"meta": {"profile": [declared["url"]]}}

    found = whole(bundle, declared)

    assert remarks(found, "error") == [("value", "Bundle.entry[0].resource.subject.reference")]


def test_a_profile_that_is_not_known_is_told() -> None:
    body = OBSERVATION | {"meta": {"profile": ["http://x.y/z"]}}

    assert remarks(whole(body), "warning") == [("not-found", "Observation.meta.profile[0]")]


@pytest.mark.parametrize(
    ("url", "fine"),
    [("http://x.y/z|1", True), ("urn:uuid:1", True), ("#a", True), ("Library/example", False)],
)
def test_a_relative_canonical_is_a_warning(url: str, fine: bool) -> None:
    body = {"resourceType": "Measure", "status": "draft", "library": [url]}

    found = remarks(whole(body), "warning")

    assert found == ([] if fine else [("value", "Measure.library[0]")])
