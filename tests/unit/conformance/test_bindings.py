"""Bindings: as strong as the profile says, as far as the codes are held here.

https://hl7.org/fhir/R4/terminologies.html#strength
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.conformance.profiling import (
    ROOT,
    Json,
    faults,
    findings,
    profile,
    remarks,
    value_set,
    whole,
)

SYSTEM = "http://example.org/colours"
COLOURS = value_set("colours", {"system": SYSTEM, "concept": [{"code": "red"}, {"code": "blue"}]})
OBSERVATION: Json = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}


def bound(strength: str, value_set: str = f"{ROOT}colours", **binding: Any) -> Json:
    given = {"strength": strength, "valueSet": value_set} | binding
    return profile("Observation", {"path": "Observation.value[x]", "binding": given})


def coloured(*codes: str, system: str | None = SYSTEM) -> Json:
    known = {"system": system} if system else {}
    return OBSERVATION | {"valueCodeableConcept": {"coding": [{**known, "code": c} for c in codes]}}


@pytest.mark.parametrize(
    ("strength", "severity"),
    [("required", "error"), ("extensible", "warning"), ("preferred", "information")],
)
def test_a_code_from_outside_weighs_as_much_as_the_binding(strength: str, severity: str) -> None:
    (found,) = findings(coloured("green"), bound(strength), COLOURS)

    assert (found.severity, found.code, found.expression) == (
        severity,
        "code-invalid",
        "Observation.value",
    )
    assert f"`{SYSTEM}|green`" in found.diagnostics


def test_an_example_binding_binds_nothing() -> None:
    assert findings(coloured("green"), bound("example"), COLOURS) == []


def test_one_coding_from_the_value_set_is_enough() -> None:
    assert findings(coloured("green", "red"), bound("required"), COLOURS) == []


def test_a_code_of_another_system_is_another_code() -> None:
    wrong = coloured("red", system="http://x.y")

    assert faults(wrong, bound("required"), COLOURS) == [("code-invalid", "Observation.value")]
    assert faults(coloured("red", system=None), bound("required"), COLOURS) != []


def test_only_a_required_binding_asks_for_a_code() -> None:
    text = OBSERVATION | {"valueCodeableConcept": {"text": "red"}}

    assert faults(text, bound("required"), COLOURS) == [("code-invalid", "Observation.value")]
    assert findings(text, bound("extensible"), COLOURS) == []


@pytest.mark.parametrize(
    ("member", "value", "fine"),
    [
        ("valueString", "red", True),
        ("valueString", "green", False),
        ("valueQuantity", {"value": 1, "system": SYSTEM, "code": "red"}, True),
        ("valueQuantity", {"value": 1, "system": SYSTEM, "code": "green"}, False),
        ("valueBoolean", True, True),
        ("valuePeriod", {"start": "2020"}, True),
    ],
)
def test_what_has_a_code_is_judged(member: str, value: Any, fine: bool) -> None:
    assert (faults(OBSERVATION | {member: value}, bound("required"), COLOURS) == []) == fine


@pytest.mark.parametrize(
    "unknown", [None, value_set("colours", {"system": "http://snomed.info/sct"})]
)
def test_what_cannot_be_enumerated_here_is_not_judged_and_that_is_told(
    unknown: Json | None,
) -> None:
    known = [unknown] if unknown else []

    found = findings(coloured("1", system="http://snomed.info/sct"), bound("required"), *known)

    assert [(f.severity, f.code) for f in found] == [("information", "informational")]
    assert "not judged" in found[0].diagnostics


def test_an_extensible_binding_may_have_a_limit() -> None:
    primary = value_set("primary", {"system": SYSTEM, "concept": [{"code": "red"}]})
    limit = {
        "url": "http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet",
        "valueCanonical": COLOURS["url"],
    }
    rule = bound("extensible", primary["url"], extension=[limit])

    def severities(code: str) -> list[str]:
        return [f.severity for f in findings(coloured(code), rule, COLOURS, primary)]

    assert severities("red") == []
    assert severities("blue") == ["warning"]
    assert severities("green") == ["warning", "error"]


def test_an_invariant_may_ask_for_a_value_set() -> None:
    constraint = {
        "key": "x-1",
        "severity": "error",
        "human": "A colour",
        "expression": f"value.memberOf('{COLOURS['url']}')",
    }
    rule = profile("Observation", {"path": "Observation", "constraint": [constraint]})

    assert faults(coloured("red"), rule, COLOURS) == []
    assert faults(coloured("green"), rule, COLOURS) == [("invariant", "Observation")]


def test_a_code_that_its_system_does_not_have_is_an_error() -> None:
    codes = [{"code": "red"}, {"code": "blue"}]
    system = {"resourceType": "CodeSystem", "url": SYSTEM, "content": "complete", "concept": codes}

    found = whole(coloured("red", "green"), system)
    elsewhere = whole(coloured("green"), system | {"content": "fragment"})

    assert remarks(found, "error") == [("code-invalid", "Observation.value.coding[1].code")]
    assert remarks(elsewhere, "error") == []
