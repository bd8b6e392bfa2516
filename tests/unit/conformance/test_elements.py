"""What a profile may say of one element.

https://hl7.org/fhir/R4/elementdefinition.html
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.unit.conformance.profiling import Json, faults, findings, profile

PATIENT: Json = {"resourceType": "Patient"}
OBSERVATION: Json = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}


def test_what_a_profile_requires_must_be_there() -> None:
    named = profile("Patient", {"path": "Patient.name", "min": 1})

    assert faults(PATIENT, named) == [("required", "Patient.name")]
    assert faults(PATIENT | {"name": [{"text": "x"}]}, named) == []


def test_a_required_member_is_only_asked_of_what_is_there() -> None:
    family = profile("Patient", {"path": "Patient.name.family", "min": 1})

    assert faults(PATIENT, family) == []
    assert faults(PATIENT | {"name": [{"family": "x"}, {"text": "y"}]}, family) == [
        ("required", "Patient.name[1].family")
    ]


def test_a_value_that_is_only_an_extension_is_there() -> None:
    born = profile("Patient", {"path": "Patient.birthDate", "min": 1})
    absent = {"extension": [{"url": "http://example.org/why", "valueCode": "unknown"}]}

    assert faults(PATIENT | {"_birthDate": absent}, born) == []


def test_no_more_entries_than_the_profile_allows() -> None:
    one = profile("Patient", {"path": "Patient.name", "max": "1"})

    assert faults(PATIENT | {"name": [{"text": "x"}, {"text": "y"}]}, one) == [
        ("structure", "Patient.name")
    ]


def test_what_is_prohibited_must_not_be_there() -> None:
    childless = profile("Patient", {"path": "Patient.photo", "max": "0"})

    (found,) = findings(PATIENT | {"photo": [{"url": "http://x.y"}]}, childless)

    assert (found.code, found.expression) == ("structure", "Patient.photo")
    assert "is not allowed" in found.diagnostics


def test_a_choice_is_narrowed_to_some_types() -> None:
    coded = profile(
        "Observation",
        {"path": "Observation.value[x]", "type": [{"code": "CodeableConcept"}, {"code": "Range"}]},
    )

    (found,) = findings(OBSERVATION | {"valueString": "x"}, coded)

    assert (found.code, found.expression) == ("structure", "Observation.value")
    assert found.pointer == "/valueString"
    assert "expected `CodeableConcept`, `Range`" in found.diagnostics


@pytest.mark.parametrize(
    ("fixed", "value", "meets"),
    [
        ({"fixedCode": "final"}, "final", True),
        ({"fixedCode": "final"}, "amended", False),
        ({"patternCode": "final"}, "amended", False),
    ],
)
def test_a_primitive_is_fixed(fixed: Json, value: str, meets: bool) -> None:
    rule = profile("Observation", {"path": "Observation.status", **fixed})

    found = faults(OBSERVATION | {"status": value}, rule)

    assert found == ([] if meets else [("value", "Observation.status")])


CODING = {"system": "http://loinc.org", "code": "8867-4"}


@pytest.mark.parametrize(
    ("code", "meets"),
    [
        ({"coding": [CODING]}, True),
        ({"coding": [CODING | {"display": "Heart rate"}], "text": "pulse"}, True),
        ({"coding": [{"system": "http://x.y", "code": "1"}, CODING]}, True),
        ({"coding": [CODING | {"code": "1"}]}, False),
        ({"coding": [{"code": "8867-4"}]}, False),
        ({"text": "Heart rate"}, False),
    ],
)
def test_a_pattern_is_met_by_what_has_all_of_it(code: Json, meets: bool) -> None:
    rule = profile(
        "Observation", {"path": "Observation.code", "patternCodeableConcept": {"coding": [CODING]}}
    )

    found = faults(OBSERVATION | {"code": code}, rule)

    assert found == ([] if meets else [("value", "Observation.code")])


def test_a_fixed_value_is_met_by_itself_only() -> None:
    rule = profile(
        "Observation", {"path": "Observation.code", "fixedCodeableConcept": {"coding": [CODING]}}
    )

    assert faults(OBSERVATION | {"code": {"coding": [CODING]}}, rule) == []
    assert faults(OBSERVATION | {"code": {"coding": [CODING], "text": "x"}}, rule) == [
        ("value", "Observation.code")
    ]


@pytest.mark.parametrize(
    ("wanted", "value", "meets"),
    [(True, True, True), (True, 1, False), (1, True, False), (1, Decimal("1.0"), True)],
)
def test_a_boolean_is_no_number(wanted: Any, value: Any, meets: bool) -> None:
    key = "fixedBoolean" if isinstance(wanted, bool) else "fixedDecimal"
    rule = profile("Patient", {"path": "Patient.active", key: wanted})

    assert (faults(PATIENT | {"active": value}, rule) == []) == meets


@pytest.mark.parametrize(
    ("limit", "member", "value", "meets"),
    [
        ({"maxLength": 3}, "valueString", "abc", True),
        ({"maxLength": 3}, "valueString", "abcd", False),
        ({"minValueInteger": 0}, "valueInteger", 0, True),
        ({"minValueInteger": 0}, "valueInteger", -1, False),
        ({"maxValueInteger": 9}, "valueInteger", 10, False),
        ({"minValueDateTime": "2020-01-01"}, "valueDateTime", "2019-12-31", False),
        ({"minValueDateTime": "2020-01-01"}, "valueDateTime", "2020-01-01T00:00:00Z", True),
        ({"maxValueQuantity": {"value": 5, "code": "kg"}}, "valueQuantity", 6, False),
        ({"maxValueQuantity": {"value": 5, "code": "kg"}}, "valueQuantity", 5, True),
    ],
)
def test_limits_are_kept(limit: Json, member: str, value: Any, meets: bool) -> None:
    rule = profile("Observation", {"path": "Observation.value[x]", **limit})
    if member == "valueQuantity":
        value = {"value": value, "code": "kg"}

    found = faults(OBSERVATION | {member: value}, rule)

    assert found == ([] if meets else [("value", "Observation.value")])


@pytest.mark.parametrize(("severity", "expected"), [("error", "error"), ("warning", "warning")])
def test_an_invariant_has_the_severity_that_it_says(severity: str, expected: str) -> None:
    rule = {
        "key": "x-1",
        "severity": severity,
        "human": "Has a birthday.",
        "expression": "birthDate.exists()",
    }
    born = profile("Patient", {"path": "Patient", "constraint": [rule]})

    found = [f for f in findings(PATIENT, born) if f.rule == "x-1"]

    assert [(f.severity, f.code, f.expression) for f in found] == [
        (expected, "invariant", "Patient")
    ]
    assert found[0].diagnostics == "Has a birthday: `birthDate.exists()` (x-1)."


def test_an_invariant_that_cannot_be_read_is_told_and_breaks_nothing() -> None:
    rule = {"key": "x-1", "severity": "error", "human": "?", "expression": "birthDate.exists("}
    odd = profile("Patient", {"path": "Patient", "constraint": [rule]})

    found = [f for f in findings(PATIENT, odd) if f.rule == "x-1"]

    assert [f.severity for f in found] == ["information"]


def test_a_type_may_have_a_profile_of_its_own() -> None:
    official = profile(
        "HumanName", {"path": "HumanName.use", "min": 1}, name="name", kind="complex-type"
    )
    rule = profile(
        "Patient",
        {
            "path": "Patient.name",
            "type": [{"code": "HumanName", "profile": [official["url"]]}],
        },
    )

    assert faults(PATIENT | {"name": [{"text": "x"}]}, rule, official) == [
        ("required", "Patient.name[0].use")
    ]


def test_one_of_several_profiles_of_a_type_is_enough() -> None:
    makers = [
        profile(
            "HumanName", {"path": f"HumanName.{part}", "min": 1}, name=part, kind="complex-type"
        )
        for part in ("use", "family")
    ]
    urls = [made["url"] for made in makers]
    rule = profile(
        "Patient", {"path": "Patient.name", "type": [{"code": "HumanName", "profile": urls}]}
    )

    assert faults(PATIENT | {"name": [{"family": "x"}]}, rule, *makers) == []
    assert faults(PATIENT | {"name": [{"text": "x"}]}, rule, *makers) == [
        ("structure", "Patient.name[0]")
    ]


def test_a_content_reference_has_the_rules_of_what_it_refers_to() -> None:
    rule = profile("Questionnaire", {"path": "Questionnaire.item.text", "min": 1})
    inner = {"linkId": "1.1", "type": "string"}
    outer = {"linkId": "1", "type": "group", "text": "x", "item": [inner]}
    body = {"resourceType": "Questionnaire", "status": "draft", "item": [outer]}

    assert faults(body, rule) == [("required", "Questionnaire.item[0].item[0].text")]


def test_a_finding_has_its_profile_and_its_place() -> None:
    named = profile("Patient", {"path": "Patient.contact.gender", "min": 1})

    (found,) = findings(PATIENT | {"contact": [{"name": {"text": "x"}}]}, named)

    assert (found.profile, found.pointer) == (f"{named['url']}|1.0.0", "/contact/0/gender")
