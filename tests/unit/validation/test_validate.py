"""Validation at the level `structure`: every fault, with its FHIRPath.

https://hl7.org/fhir/R4/validation.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from fhir_server.validation import validate
from fhir_server.validation.checks import check
from fhir_server.validation.explain import MOST, explain
from kernel.errors import Invalid, Issue

EXTENSION = {"url": "http://example.org/e", "valueString": "x"}

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p1",
    "meta": {"profile": ["http://example.org/p"], "lastUpdated": "2024-01-01T00:00:00Z"},
    "text": {"status": "generated", "div": "<div xmlns='http://www.w3.org/1999/xhtml'>x</div>"},
    "contained": [{"resourceType": "Organization", "id": "o", "name": "Ward"}],
    "extension": [EXTENSION, {"url": "http://example.org/f", "extension": [EXTENSION]}],
    "active": True,
    "name": [{"family": "Test", "given": ["A", "B"]}, {"text": "C"}],
    "gender": "female",
    "birthDate": "1980-02-29",
    "_birthDate": {"extension": [EXTENSION]},
    "deceasedBoolean": False,
    "maritalStatus": {"coding": [{"system": "http://example.org", "code": "M"}], "text": "m"},
    "multipleBirthInteger": 2,
    "contact": [{"relationship": [{"text": "mother"}], "name": {"family": "T"}}],
    "managingOrganization": {"reference": "#o"},
    "generalPractitioner": [{"reference": "Practitioner/d1"}, {"reference": "#o"}],
}
OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "8302-2"}]},
    "subject": {"reference": "Patient/p1"},
    "effectiveDateTime": "2024-01-01T10:00:00+01:00",
    "valueQuantity": {"value": 1.5, "system": "http://unitsofmeasure.org", "code": "cm"},
    "component": [
        {"code": {"text": "a"}, "valueInteger": 1},
        {"code": {"text": "b"}, "valueString": "x", "referenceRange": [{"text": "r"}]},
    ],
}
CONDITION: dict[str, Any] = {
    "resourceType": "Condition",
    "clinicalStatus": {
        "coding": [
            {
                "system": "http://terminology.hl7.org/CodeSystem/condition-clinical",
                "code": "active",
            }
        ]
    },
    "subject": {"reference": "Patient/p1"},
}
BUNDLE: dict[str, Any] = {
    "resourceType": "Bundle",
    "type": "collection",
    "entry": [{"fullUrl": "urn:uuid:1", "resource": OBSERVATION}, {"resource": PATIENT}],
}
BASES = {
    "Patient": PATIENT,
    "Observation": OBSERVATION,
    "Condition": CONDITION,
    "Bundle": BUNDLE,
}
DROP = object()


def changed(resource: dict[str, Any], *changes: tuple[str, Any]) -> dict[str, Any]:
    """Return a copy in which the values at slash-separated paths are replaced or dropped."""
    copied: dict[str, Any] = json.loads(json.dumps(resource))
    for path, value in changes:
        *above, last = [int(part) if part.isdigit() else part for part in path.split("/")]
        place: Any = copied
        for part in above:
            place = place[part]
        if value is DROP:
            del place[last]
        else:
            place[last] = value
    return copied


def faults(resource: dict[str, Any], type: str | None = None) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as caught:
        validate(resource, type)
    return [(issue.code, issue.expression[0]) for issue in caught.value.issues]


@pytest.mark.parametrize("resource", BASES.values(), ids=BASES)
def test_a_valid_resource_is_accepted_by_the_fast_walker(resource: dict[str, Any]) -> None:
    validate(resource)

    assert check(resource["resourceType"])(resource)


@pytest.mark.parametrize(
    "changes",
    [
        [("name/0/_given", [None, {"extension": [EXTENSION]}])],
        [("name/0/given", ["A", None]), ("name/0/_given", [None, {"extension": [EXTENSION]}])],
        [("name/0/given", DROP), ("name/0/_given", [{"extension": [EXTENSION]}])],
        [("_deceasedBoolean", {"id": "d"})],
        [("birthDate", DROP)],
        [("managingOrganization/reference", "http://example.org/fhir/Patient/1")],
        [("managingOrganization/reference", "urn:uuid:7d1a2b7e-0000-4000-8000-000000000000")],
        [("managingOrganization/reference", "Organization/1/_history/2")],
        [("managingOrganization/reference", "Organization?identifier=1")],
        [("managingOrganization", {"display": "Ward"})],
    ],
)
def test_rare_but_legal_shapes_are_accepted(changes: list[tuple[str, Any]]) -> None:
    validate(changed(PATIENT, *changes))


CASES: list[tuple[str, str, Any, str, str]] = [
    ("Patient", "nmae", "x", "structure", "Patient.nmae"),
    ("Patient", "_name", [{"id": "x"}], "structure", "Patient._name"),
    ("Patient", "_id", {"id": "x"}, "structure", "Patient._id"),
    ("Patient", "name/0/famly", "x", "structure", "Patient.name[0].famly"),
    ("Patient", "name/1/given", "A", "structure", "Patient.name[1].given"),
    ("Patient", "name/1/given", [], "structure", "Patient.name[1].given"),
    ("Patient", "name/0/given/1", None, "structure", "Patient.name[0].given[1]"),
    ("Patient", "name/0/given/1", "", "value", "Patient.name[0].given[1]"),
    ("Patient", "name/0/_given", [{"id": "x"}], "structure", "Patient.name[0].given"),
    ("Patient", "name/0/_given", {"id": "x"}, "structure", "Patient.name[0].given"),
    ("Patient", "name/1/_given", [None], "structure", "Patient.name[1].given[0]"),
    ("Patient", "name/1", {}, "structure", "Patient.name[1]"),
    ("Patient", "name/1", "text", "structure", "Patient.name[1]"),
    ("Patient", "name", {"text": "C"}, "structure", "Patient.name"),
    ("Patient", "maritalStatus", [{"text": "m"}], "structure", "Patient.maritalStatus"),
    ("Patient", "maritalStatus", None, "structure", "Patient.maritalStatus"),
    ("Patient", "birthDate", "1981-02-29", "value", "Patient.birthDate"),
    ("Patient", "birthDate", ["1981"], "structure", "Patient.birthDate"),
    ("Patient", "_birthDate", {"value": 1}, "structure", "Patient.birthDate.value"),
    ("Patient", "_birthDate", {}, "structure", "Patient.birthDate"),
    ("Patient", "active", "true", "value", "Patient.active"),
    ("Patient", "gender", "f", "code-invalid", "Patient.gender"),
    ("Patient", "id", "a_b", "value", "Patient.id"),
    ("Patient", "deceasedDateTime", "2024", "structure", "Patient.deceased"),
    ("Patient", "_deceasedDateTime", {"extension": [EXTENSION]}, "structure", "Patient.deceased"),
    ("Patient", "multipleBirthInteger", 1.5, "value", "Patient.multipleBirth"),
    ("Patient", "extension/0/url", DROP, "required", "Patient.extension[0].url"),
    ("Patient", "extension/0/_url", {"id": "x"}, "structure", "Patient.extension[0]._url"),
    ("Patient", "extension/0/valueCode", "a", "structure", "Patient.extension[0].value"),
    ("Patient", "text/div", "<p>x</p>", "invariant", "Patient.text.div"),
    ("Patient", "text/div", DROP, "required", "Patient.text.div"),
    (
        "Patient",
        "contained/0/resourceType",
        "Ward",
        "structure",
        "Patient.contained[0].resourceType",
    ),
    ("Patient", "contained/0/resourceType", DROP, "structure", "Patient.contained[0].resourceType"),
    ("Patient", "contained/0/name", 5, "value", "Patient.contained[0].name"),
    (
        "Patient",
        "contained/0/contained",
        [{"resourceType": "Basic", "code": {"text": "x"}}],
        "invariant",
        "Patient.contained[0].contained",
    ),
    (
        "Patient",
        "generalPractitioner/0/reference",
        "Patient/1",
        "value",
        "Patient.generalPractitioner[0].reference",
    ),
    (
        "Patient",
        "managingOrganization/reference",
        "Organisation/1",
        "value",
        "Patient.managingOrganization.reference",
    ),
    ("Observation", "status", DROP, "required", "Observation.status"),
    ("Observation", "status", "done", "code-invalid", "Observation.status"),
    ("Observation", "status", 1, "value", "Observation.status"),
    ("Observation", "code", DROP, "required", "Observation.code"),
    ("Observation", "component/1/code", DROP, "required", "Observation.component[1].code"),
    ("Observation", "valueQuantity/value", "1.5", "value", "Observation.value.value"),
    ("Observation", "valueString", "x", "structure", "Observation.value"),
    ("Observation", "valueMoney", {"value": 1}, "structure", "Observation.valueMoney"),
    (
        "Observation",
        "component/1/referenceRange/0/txt",
        "r",
        "structure",
        "Observation.component[1].referenceRange[0].txt",
    ),
    (
        "Condition",
        "clinicalStatus/coding/0/code",
        "gone",
        "code-invalid",
        "Condition.clinicalStatus",
    ),
    (
        "Condition",
        "clinicalStatus/coding/0/system",
        "http://x",
        "code-invalid",
        "Condition.clinicalStatus",
    ),
    ("Condition", "clinicalStatus", {"text": "active"}, "code-invalid", "Condition.clinicalStatus"),
    ("Bundle", "entry/0/resource/status", "x", "code-invalid", "Bundle.entry[0].resource.status"),
    (
        "Bundle",
        "entry/1/resource/resourceType",
        5,
        "structure",
        "Bundle.entry[1].resource.resourceType",
    ),
    ("Bundle", "entry/1/resource", [], "structure", "Bundle.entry[1].resource"),
]


@pytest.mark.parametrize(("type", "place", "value", "code", "path"), CASES)
def test_a_single_fault_is_refused_at_its_place(
    type: str, place: str, value: Any, code: str, path: str
) -> None:
    resource = changed(BASES[type], (place, value))

    assert faults(resource) == [(code, path)]
    assert not check(type)(resource)


def test_all_faults_are_told_at_once() -> None:
    resource = changed(PATIENT, ("gender", "f"), ("birthDate", "1980-13-01"), ("nmae", []))

    assert faults(resource) == [
        ("code-invalid", "Patient.gender"),
        ("value", "Patient.birthDate"),
        ("structure", "Patient.nmae"),
    ]


@pytest.mark.parametrize(
    ("place", "value", "sentence"),
    [
        ("nmae", "x", "`nmae` is not an element of Patient. Did you mean `name`?"),
        (
            "gender",
            "f",
            "`f` is not in the value set `http://hl7.org/fhir/ValueSet/administrative-gender`,"
            " expected one of `male`, `female`, `other`, `unknown`.",
        ),
        (
            "birthDate",
            "1981-02-29",
            "`1981-02-29` is not a valid date: expected an existing day, month or year as"
            " YYYY-MM-DD, YYYY-MM or YYYY.",
        ),
        (
            "managingOrganization/reference",
            "Patient/1",
            "`Patient/1` points to a Patient, expected a reference to `Organization`.",
        ),
        ("name", {"text": "C"}, "`name` is an object, expected an array of HumanName."),
        (
            "deceasedDateTime",
            "2024",
            "`deceasedBoolean` and `deceasedDateTime` are given, expected one of them only.",
        ),
        (
            "id",
            "x" * 100,
            f"`{'x' * 60}…` is not a valid id: expected 1 to 64 letters, digits, `-` or `.`.",
        ),
    ],
)
def test_a_fault_is_a_sentence_with_value_and_expectation(
    place: str, value: Any, sentence: str
) -> None:
    with pytest.raises(Invalid) as caught:
        validate(changed(PATIENT, (place, value)))

    assert caught.value.issues[0].diagnostics == sentence
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("resource", "type", "issue"),
    [
        (
            {},
            None,
            Issue(
                "structure",
                "`resourceType` is missing: every resource says what it is.",
                ("resourceType",),
                pointer="/resourceType",
            ),
        ),
        (
            {"resourceType": "Pateint"},
            None,
            Issue(
                "structure",
                "`Pateint` is not a resource type of R4. Did you mean `Patient`?",
                ("resourceType",),
                pointer="/resourceType",
            ),
        ),
        (
            {"resourceType": "DomainResource"},
            None,
            Issue(
                "structure",
                "`DomainResource` is not a resource type of R4.",
                ("resourceType",),
                pointer="/resourceType",
            ),
        ),
        (
            {"resourceType": "Group"},
            "Patient",
            Issue(
                "structure",
                "`resourceType` is `Group`, expected `Patient`.",
                ("Patient.resourceType",),
                pointer="/resourceType",
            ),
        ),
        (
            {"active": True},
            "Patient",
            Issue(
                "required",
                "`resourceType` is missing: every resource says what it is.",
                ("Patient.resourceType",),
                pointer="/resourceType",
            ),
        ),
    ],
)
def test_a_resource_must_say_what_it_is(
    resource: dict[str, Any], type: str | None, issue: Issue
) -> None:
    with pytest.raises(Invalid) as caught:
        validate(resource, type)

    assert caught.value.issues == (issue,)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("name", [{"given": [""] * 10}] * 100),
        ("name/1/_given", [None] * 1_000_000),
        ("name", [0] * 1_000_000),
    ],
)
def test_a_very_long_list_of_faults_is_cut(place: str, value: Any) -> None:
    assert len(faults(changed(PATIENT, (place, value)))) == MOST


DAMAGES: tuple[Any, ...] = (None, {}, [], "", " x", 0, -1.5, True, {"zzz": 1}, ["zzz"], DROP)


def places(value: Any, path: str = "") -> Iterator[str]:
    """Yield the path of every value in a resource."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for name, item in items:
        yield f"{path}{name}"
        if isinstance(item, dict | list):
            yield from places(item, f"{path}{name}/")


@pytest.mark.parametrize("type", ["Patient", "Observation", "Condition"])
def test_both_walkers_agree_on_every_damage_of_every_place(type: str) -> None:
    for place in places(BASES[type]):
        for damage in DAMAGES:
            resource = changed(BASES[type], (place, damage))

            assert check(type)(resource) == (not explain(resource, type)), (place, damage)
