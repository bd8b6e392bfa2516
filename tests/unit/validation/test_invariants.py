"""Invariants, by hand and as FHIRPath: what is broken is named, and both ways agree.

https://hl7.org/fhir/R4/conformance-rules.html#constraints
"""

from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_server import fhirpath, tables
from fhir_server.validation import faults
from fhir_server.validation.byhand import HOLDS, HOT, others, rules
from fhir_server.validation.members import Member, members, required

MEANT_OTHERWISE: Final = {
    "app-4",  # `no-show` is not the code
    "que-7",  # no answer is a Boolean of FHIRPath's own
}
"""Invariants whose expression does not say what their sentence says; the hand follows the latter."""

ACTIVE: Final = "http://terminology.hl7.org/CodeSystem/condition-clinical"
EXTENSION: Final = {"url": "http://example.org/e", "valueString": "x"}
SAMPLES: Final[dict[str, list[Any]]] = {
    "boolean": [True, False],
    "code": ["display", "exists", "CM", "searchset", "document", "working", "group"],
    "dateTime": ["2020", "2020-03-01", "2020-02-28T10:00:00Z", "2020-02-28T10:30:00+02:00"],
    "id": ["x", "y"],
    "decimal": [-1, 0, 2.5],
    "instant": ["2020-02-28T10:00:00Z"],
    "integer": [1, 2],
    "positiveInt": [1],
    "string": ["x", "display"],
    "time": ["10:00:00"],
    "unsignedInt": [0],
    "uri": ["http://example.org/a", "http://example.org/_history/1"],
    "Coding": [{"system": "http://s", "code": "a"}, {"code": "a"}],
    "CodeableConcept": [
        {"text": "x"},
        {"coding": [{"system": "http://s", "code": "a"}]},
        {"coding": [{"system": ACTIVE, "code": "resolved"}]},
        {"coding": [{"system": ACTIVE, "code": "active"}]},
        {
            "coding": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/condition-ver-status",
                    "code": "entered-in-error",
                }
            ]
        },
        {
            "coding": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification",
                    "code": "entered-in-error",
                }
            ]
        },
    ],
    "Extension": [EXTENSION],
    "Identifier": [{"system": "http://s", "value": "1"}, {"value": "1"}],
    "Period": [{"start": "2020"}],
    "Quantity": [{"value": 1}],
    "Range": [{"low": {"value": 1}}],
    "Ratio": [{"numerator": {"value": 1}, "denominator": {"value": 2}}],
    "Reference": [{"display": "x"}],
    "Resource": [
        {"resourceType": "Basic", "code": {"text": "x"}},
        {"resourceType": "Composition", "meta": {"versionId": "1"}},
        {"resourceType": "MessageHeader"},
    ],
}


def _values(member: Member, depth: int) -> st.SearchStrategy[Any]:
    codes = tables.value_set(member.element.value_set)
    if codes is not None and member.primitive:
        one = st.sampled_from(list(codes.codes))
    elif member.type in SAMPLES:
        one = st.sampled_from(SAMPLES[member.type])
    elif "." in member.type and depth:
        one = _objects(member.type, depth - 1)
    else:
        return st.nothing()
    return st.lists(one, min_size=1, max_size=2) if member.many else one


def _objects(type: str, depth: int = 2) -> st.SearchStrategy[dict[str, Any]]:
    """Return objects with what the type must have and some of what it may have."""
    known = {
        name: _values(member, depth)
        for name, member in members(type).items()
        if member.path not in {"extension", "modifierExtension", "contained", "meta"}
        if member.path != "id" or "." in type
    }
    usable = {name: values for name, values in known.items() if not values.is_empty}
    needed = {group.names[0] for group in required(type) if group.names[0] in usable}
    base = {"resourceType": st.just(type)} if tables.get(type).kind == "resource" else {}
    optional = {name: values for name, values in usable.items() if name not in needed}
    return st.fixed_dictionaries(
        {**base, **{name: usable[name] for name in needed}}, optional=_some(optional)
    )


def _some(optional: dict[str, Any]) -> dict[str, Any]:
    """Leave the forms of a choice at a few: dozens of them say the same."""
    kept: dict[str, Any] = {}
    for name, values in optional.items():
        stem = name.rstrip("abcdefghijklmnopqrstuvwxyz")
        if sum(other.startswith(stem) for other in kept) < 3:
            kept[name] = values
    return kept


def _by_hand() -> list[str]:
    types = [name for name in tables.names() if rules(name) or any(h for _, h in others(name))]
    return sorted(types)


@pytest.mark.parametrize("type", _by_hand())
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_what_is_written_by_hand_is_what_the_expression_says(type: str, data: Any) -> None:
    value = data.draw(_objects(type))
    node = fhirpath.root(value, type)

    for rule, holds in (*rules(type), *others(type)):
        if holds is not None and rule.key not in MEANT_OTHERWISE and not rule.key.startswith("sdf"):
            expected = fhirpath.compile(rule.expression).holds(node)
            assert holds(value) == expected, rule


def test_every_rule_by_hand_belongs_to_a_type() -> None:
    found = {
        rule.key for type in _by_hand() for rule, holds in (*rules(type), *others(type)) if holds
    }

    assert found == {key for _, key in HOLDS}
    assert found >= HOT


OBSERVATION: Final = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "1-8"}]},
}
HOT_CASES: Final[list[tuple[dict[str, Any], str, str]]] = [
    (
        {"resourceType": "Patient", "extension": [{"url": "http://e"}]},
        "ext-1",
        "Patient.extension[0]",
    ),
    (
        {"resourceType": "Patient", "extension": [EXTENSION | {"extension": [EXTENSION]}]},
        "ext-1",
        "Patient.extension[0]",
    ),
    ({"resourceType": "Patient", "name": [{"id": "x"}]}, "ele-1", "Patient.name[0]"),
    ({"resourceType": "Patient", "_birthDate": {"id": "x"}}, "ele-1", "Patient.birthDate"),
    (
        {"resourceType": "Patient", "name": [{"period": {"start": "2021", "end": "2020"}}]},
        "per-1",
        "Patient.name[0].period",
    ),
    (
        OBSERVATION | {"valueInteger": 1, "dataAbsentReason": {"text": "x"}},
        "obs-6",
        "Observation",
    ),
    (
        OBSERVATION | {"valueInteger": 1, "component": [{"code": OBSERVATION["code"]}]},
        "obs-7",
        "Observation",
    ),
    ({"resourceType": "Bundle", "type": "collection", "total": 1}, "bdl-1", "Bundle"),
    (
        {"resourceType": "Bundle", "type": "collection", "entry": [{"search": {"mode": "match"}}]},
        "bdl-2",
        "Bundle",
    ),
    (
        {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [{"resource": OBSERVATION}],
        },
        "bdl-3",
        "Bundle",
    ),
    (
        {"resourceType": "Bundle", "type": "collection", "entry": [{"fullUrl": "urn:uuid:1"}]},
        "bdl-5",
        "Bundle.entry[0]",
    ),
    ({"resourceType": "Bundle", "type": "document"}, "bdl-9", "Bundle"),
    ({"resourceType": "Bundle", "type": "document"}, "bdl-10", "Bundle"),
    (
        {"resourceType": "Bundle", "type": "document", "entry": [{"resource": OBSERVATION}]},
        "bdl-11",
        "Bundle",
    ),
    (
        {"resourceType": "Patient", "text": {"status": "generated", "div": "<div>x</div>"}},
        "txt-1",
        "Patient.text.div",
    ),
    (
        {
            "resourceType": "Patient",
            "text": {
                "status": "generated",
                "div": '<div xmlns="http://www.w3.org/1999/xhtml"><img src="a" onerror="b()"/></div>',
            },
        },
        "txt-1",
        "Patient.text.div",
    ),
    (
        {
            "resourceType": "Patient",
            "text": {"status": "empty", "div": '<div xmlns="http://www.w3.org/1999/xhtml"> </div>'},
        },
        "txt-2",
        "Patient.text.div",
    ),
]


@pytest.mark.parametrize(("resource", "key", "path"), HOT_CASES)
def test_the_invariants_met_most_are_asked_of_every_write(
    resource: dict[str, Any], key: str, path: str
) -> None:
    found = faults(resource)

    broken = [issue for issue in found if f"({key})" in issue.diagnostics]
    assert [issue.expression for issue in broken] == [(path,)]


STRICT_CASES: Final[list[tuple[dict[str, Any], str, str]]] = [
    ({"resourceType": "Organization", "active": True}, "org-1", "Organization"),
    (
        {"resourceType": "Organization", "name": "x", "address": [{"use": "home", "city": "x"}]},
        "org-2",
        "Organization.address[0]",
    ),
    ({"resourceType": "Patient", "contact": [{"gender": "male"}]}, "pat-1", "Patient.contact[0]"),
    ({"resourceType": "Patient", "telecom": [{"value": "1"}]}, "cpt-2", "Patient.telecom[0]"),
    (OBSERVATION | {"valueQuantity": {"code": "kg"}}, "qty-3", "Observation.value"),
    (
        OBSERVATION | {"valueRange": {"low": {"value": 5}, "high": {"value": 1}}},
        "rng-2",
        "Observation.value",
    ),
    (
        OBSERVATION | {"effectiveTiming": {"repeat": {"duration": 5}}},
        "tim-1",
        "Observation.effective.repeat",
    ),
    (
        {
            "resourceType": "Questionnaire",
            "status": "draft",
            "item": [
                {"linkId": "1", "type": "group", "item": [{"linkId": "1", "type": "string"}]},
            ],
        },
        "que-2",
        "Questionnaire",
    ),
    (
        {
            "resourceType": "CodeSystem",
            "status": "draft",
            "content": "complete",
            "concept": [{"code": "a", "concept": [{"code": "a"}]}],
        },
        "csd-1",
        "CodeSystem",
    ),
    (
        {
            "resourceType": "Bundle",
            "type": "collection",
            "entry": [{"resource": {"resourceType": "Organization", "active": True}}],
        },
        "org-1",
        "Bundle.entry[0].resource",
    ),
    (
        {
            "resourceType": "RiskAssessment",
            "status": "final",
            "subject": {"display": "x"},
            "prediction": [{"probabilityDecimal": 101}],
        },
        "ras-2",
        "RiskAssessment.prediction[0]",
    ),
]


@pytest.mark.parametrize(("resource", "key", "path"), STRICT_CASES)
def test_the_others_are_asked_at_the_strict_level_only(
    resource: dict[str, Any], key: str, path: str
) -> None:
    assert not [issue for issue in faults(resource) if key in issue.diagnostics]

    broken = [issue for issue in faults(resource, strict=True) if f"({key})" in issue.diagnostics]
    assert [issue.expression for issue in broken] == [(path,)]


def test_a_broken_invariant_is_told_with_its_sentence_rule_and_key() -> None:
    (issue,) = faults(OBSERVATION | {"valueInteger": 1, "dataAbsentReason": {"text": "x"}})

    assert issue.code == "invariant"
    assert issue.diagnostics == (
        "dataAbsentReason SHALL only be present if Observation.value[x] is not present:"
        " `dataAbsentReason.empty() or value.empty()` (obs-6)."
    )


def test_an_invariant_is_not_blamed_for_a_fault_in_the_structure() -> None:
    resource = {"resourceType": "Patient", "contact": [{"gender": "male", "nmae": "x"}]}

    found = faults(resource, strict=True)

    assert [issue.code for issue in found] == ["structure"]


def test_a_large_snapshot_is_judged_in_time() -> None:
    paths = ["Patient", *(f"Patient.x{n}" for n in range(3000))]
    base = {"path": "x", "min": 0, "max": "1"}
    elements = [
        {"id": path, "path": path, "definition": "x", "min": 0, "max": "1", "base": base}
        for path in paths
    ]
    definition = {
        "resourceType": "StructureDefinition",
        "url": "http://example.org/p",
        "name": "P",
        "status": "draft",
        "kind": "resource",
        "abstract": False,
        "type": "Patient",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
        "derivation": "constraint",
        "snapshot": {"element": elements},
    }

    assert faults(definition, strict=True) == []

    elements[7]["path"] = "Person.x"
    (issue,) = faults(definition, strict=True)
    assert "(sdf-8)" in issue.diagnostics
