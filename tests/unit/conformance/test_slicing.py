"""Slices, and what tells them apart.

https://hl7.org/fhir/R4/profiling.html#slicing
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.conformance.profiling import (
    CORE,
    LOINC,
    Json,
    coded,
    faults,
    findings,
    profile,
    remarks,
    sliced,
    value_set,
)

OBSERVATION: Json = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}


def named(*systems: str) -> Json:
    """A Patient with these identifiers."""
    listed = [{"system": f"http://{system}", "value": "1"} for system in systems]
    return {"resourceType": "Patient", "identifier": listed}


def by_system(**slicing: Any) -> Json:
    return sliced(
        "Patient",
        "Patient.identifier",
        [("value", "system")],
        {"sliceName": "a", "min": 1, "max": "1", ".system": {"min": 1, "fixedUri": "http://a"}},
        {
            "sliceName": "b",
            "max": "1",
            ".system": {"min": 1, "fixedUri": "http://b"},
            ".period": {"min": 1},
        },
        **slicing,
    )


def test_a_slice_must_be_there() -> None:
    (found,) = findings(named("c"), by_system())

    assert (found.code, found.expression) == ("required", "Patient.identifier")
    assert "lice `a`" in found.diagnostics


def test_a_slice_may_be_there_so_often_only() -> None:
    assert faults(named("a", "a"), by_system()) == [("structure", "Patient.identifier")]


def test_what_a_slice_asks_is_asked_of_its_entries_only() -> None:
    assert faults(named("a", "b", "c"), by_system()) == [
        ("required", "Patient.identifier[1].period")
    ]


def test_open_slices_admit_others() -> None:
    assert faults(named("c", "a"), by_system()) == []


def test_closed_slices_admit_no_others() -> None:
    assert faults(named("a", "c"), by_system(rules="closed")) == [
        ("structure", "Patient.identifier[1]")
    ]


def test_others_come_last_where_the_end_is_open() -> None:
    rule = by_system(rules="openAtEnd")

    assert faults(named("a", "c"), rule) == []
    assert faults(named("c", "a"), rule) == [("structure", "Patient.identifier[1]")]


def test_ordered_slices_come_in_their_order() -> None:
    rule = sliced(
        "Patient",
        "Patient.identifier",
        [("value", "system")],
        {"sliceName": "a", ".system": {"min": 1, "fixedUri": "http://a"}},
        {"sliceName": "b", ".system": {"min": 1, "fixedUri": "http://b"}},
        ordered=True,
    )

    assert faults(named("a", "c", "b"), rule) == []
    assert faults(named("b", "a"), rule) == [("structure", "Patient.identifier[1]")]


def test_the_default_slice_is_of_what_is_in_no_other() -> None:
    rule = sliced(
        "Patient",
        "Patient.identifier",
        [("value", "system")],
        {"sliceName": "a", ".system": {"min": 1, "fixedUri": "http://a"}},
        {"sliceName": "@default", ".type": {"min": 1}},
        rules="closed",
    )

    assert faults(named("a", "c"), rule) == [("required", "Patient.identifier[1].type")]


def test_two_discriminators_must_both_agree() -> None:
    rule = sliced(
        "Patient",
        "Patient.telecom",
        [("value", "system"), ("value", "use")],
        {
            "sliceName": "home-phone",
            "min": 1,
            ".system": {"min": 1, "fixedCode": "phone"},
            ".use": {"min": 1, "fixedCode": "home"},
        },
    )
    work = {"system": "phone", "use": "work", "value": "1"}

    assert faults({"resourceType": "Patient", "telecom": [work]}, rule) == [
        ("required", "Patient.telecom")
    ]
    assert faults({"resourceType": "Patient", "telecom": [work | {"use": "home"}]}, rule) == []


@pytest.mark.parametrize("path", ["code", "code.coding", "code.coding.code"])
def test_a_pattern_tells_slices_apart_at_and_above_the_path(path: str) -> None:
    rule = sliced(
        "Observation",
        "Observation.component",
        [("pattern", path)],
        {"sliceName": "systolic", "min": 1, ".code": {"patternCodeableConcept": coded("8480-6")}},
    )
    component = {"code": coded("8480-6"), "valueInteger": 1}

    assert faults(OBSERVATION | {"component": [component]}, rule) == []
    assert faults(OBSERVATION | {"component": [component | {"code": coded("1")}]}, rule) == [
        ("required", "Observation.component")
    ]


def test_a_pattern_on_the_entry_itself() -> None:
    rule = sliced(
        "Observation",
        "Observation.category",
        [("pattern", "$this")],
        {"sliceName": "lab", "min": 1, "max": "1", "patternCodeableConcept": coded("lab")},
    )

    assert faults(OBSERVATION | {"category": [coded("x"), coded("lab")]}, rule) == []
    assert faults(OBSERVATION | {"category": [coded("x")]}, rule) == [
        ("required", "Observation.category")
    ]


def test_a_required_binding_tells_slices_apart() -> None:
    codes = value_set("codes", {"system": LOINC, "concept": [{"code": "1"}, {"code": "2"}]})
    bound = {"binding": {"strength": "required", "valueSet": codes["url"]}}
    rule = sliced(
        "Observation",
        "Observation.category",
        [("value", "$this")],
        {"sliceName": "ours", "min": 1, **bound},
    )

    assert faults(OBSERVATION | {"category": [coded("2")]}, rule, codes) == []
    assert faults(OBSERVATION | {"category": [coded("3")]}, rule, codes) == [
        ("required", "Observation.category")
    ]


def test_types_tell_the_slices_of_a_choice_apart() -> None:
    rule = sliced(
        "Observation",
        "Observation.value[x]",
        [("type", "$this")],
        {"sliceName": "valueQuantity", "type": [{"code": "Quantity"}], ".code": {"min": 1}},
    )

    assert faults(OBSERVATION | {"valueString": "x"}, rule) == []
    assert faults(OBSERVATION | {"valueQuantity": {"value": 1}}, rule) == [
        ("required", "Observation.value.code")
    ]


def test_closed_types_of_a_choice_admit_no_others() -> None:
    rule = sliced(
        "Observation",
        "Observation.value[x]",
        [("type", "$this")],
        {"sliceName": "valueQuantity", "type": [{"code": "Quantity"}]},
        rules="closed",
    )

    assert faults(OBSERVATION | {"valueString": "x"}, rule) == [("structure", "Observation.value")]


def test_a_choice_may_be_named_by_its_type() -> None:
    rule = profile(
        "Observation",
        {"path": "Observation.valueQuantity", "min": 1},
        {"path": "Observation.valueQuantity.code", "min": 1},
    )

    assert faults(OBSERVATION, rule) == [("required", "Observation.value")]
    assert ("structure", "Observation.value") in faults(OBSERVATION | {"valueString": "x"}, rule)
    assert faults(OBSERVATION | {"valueQuantity": {"value": 1}}, rule) == [
        ("required", "Observation.value.code")
    ]


def test_existence_tells_slices_apart() -> None:
    rule = sliced(
        "Patient",
        "Patient.name",
        [("exists", "period.end")],
        {
            "sliceName": "former",
            ".use": {"min": 1},
            ".period": {"min": 1},
            ".period.end": {"min": 1},
        },
        {"sliceName": "current", "max": "1", ".period.end": {"max": "0"}},
    )
    former = {"family": "x", "period": {"end": "2020"}}

    assert faults({"resourceType": "Patient", "name": [{"family": "y"}, former]}, rule) == [
        ("required", "Patient.name[1].use")
    ]
    assert faults({"resourceType": "Patient", "name": [{"family": "y"}] * 2}, rule) == [
        ("structure", "Patient.name")
    ]


def test_a_profile_tells_entries_apart() -> None:
    dead = profile("Patient", {"path": "Patient.deceased[x]", "min": 1}, name="dead")
    rule = sliced(
        "Bundle",
        "Bundle.entry",
        [("profile", "resource")],
        {
            "sliceName": "dead",
            "min": 1,
            ".resource": {"min": 1, "type": [{"code": "Patient", "profile": [dead["url"]]}]},
        },
    )
    alive = {"resource": {"resourceType": "Patient"}}
    gone = {"resource": {"resourceType": "Patient", "deceasedBoolean": True}}
    bundle = {"resourceType": "Bundle", "type": "collection"}

    assert faults(bundle | {"entry": [alive, gone]}, rule, dead) == []
    assert faults(bundle | {"entry": [alive]}, rule, dead) == [("required", "Bundle.entry")]


def referring(discriminator: str, **type: Any) -> Json:
    return sliced(
        "Observation",
        "Observation.performer",
        [(discriminator, "resolve()")],
        {"sliceName": "who", "min": 1, "type": [{"code": "Reference"} | type]},
    )


def test_the_type_of_what_is_referred_to_tells_slices_apart() -> None:
    rule = referring("type", targetProfile=[f"{CORE}Practitioner"])

    assert faults(OBSERVATION | {"performer": [{"reference": "Practitioner/1"}]}, rule) == []
    assert faults(OBSERVATION | {"performer": [{"reference": "Organization/1"}]}, rule) == [
        ("required", "Observation.performer")
    ]


def test_the_profile_of_what_is_referred_to_tells_slices_apart() -> None:
    licensed = profile(
        "Practitioner", {"path": "Practitioner.qualification", "min": 1}, name="licensed"
    )
    rule = referring("profile", targetProfile=[licensed["url"]])
    contained = {
        "resourceType": "Practitioner",
        "id": "p",
        "qualification": [{"code": {"text": "x"}}],
    }
    body = OBSERVATION | {"performer": [{"reference": "#p"}], "contained": [contained]}
    without = {key: value for key, value in contained.items() if key != "qualification"}

    assert faults(body, rule, licensed) == []
    assert ("required", "Observation.performer") in faults(
        body | {"contained": [without]}, rule, licensed
    )


def test_what_is_out_of_sight_is_not_judged_and_that_is_told() -> None:
    licensed = profile(
        "Practitioner", {"path": "Practitioner.qualification", "min": 1}, name="licensed"
    )
    rule = referring("profile", targetProfile=[licensed["url"]])
    body = OBSERVATION | {"performer": [{"reference": "Practitioner/far"}]}

    found = findings(body, rule, licensed)

    assert remarks(found, "error") == []
    assert remarks(found, "information") == [("informational", "Observation.performer")]


def test_a_discriminator_that_says_nothing_is_not_judged() -> None:
    rule = sliced(
        "Patient", "Patient.name", [("value", "family.substring(1)")], {"sliceName": "a", "min": 1}
    )

    found = findings({"resourceType": "Patient", "name": [{"family": "x"}]}, rule)

    assert remarks(found, "error") == []
    assert remarks(found, "information") == [("informational", "Patient.name")]
