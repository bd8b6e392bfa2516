"""Paths over FHIR JSON: types, places, choices, extensions of primitives.

https://hl7.org/fhir/R4/fhirpath.html
"""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import Any, Final

import pytest

from fhir_server import fhirpath
from kernel.errors import Invalid
from tests.unit.fhirpath.asking import ask, paths, types

PATIENT: Final[dict[str, Any]] = {
    "resourceType": "Patient",
    "id": "p",
    "active": True,
    "_active": {"extension": [{"url": "u", "valueCode": "c"}]},
    "name": [
        {
            "use": "official",
            "family": "Chalmers",
            "given": ["Peter", None, "James"],
            "_given": [None, {"id": "g", "extension": [{"url": "u", "valueString": "x"}]}],
        },
        {"use": "usual", "given": ["Jim"]},
    ],
    "_birthDate": {"extension": [{"url": "absent", "valueCode": "unknown"}]},
    "deceasedDateTime": "2015-02-14T13:42:00+10:00",
    "multipleBirthInteger": 2,
    "contact": [{"name": {"text": "a"}}],
    "contained": [{"resourceType": "Organization", "id": "o", "name": "Acme"}],
    "managingOrganization": {"reference": "#o"},
}


def test_a_node_knows_where_it_is() -> None:
    assert paths("name.given", PATIENT) == [
        "Patient.name[0].given[0]",
        "Patient.name[0].given[1]",
        "Patient.name[0].given[2]",
        "Patient.name[1].given[0]",
    ]
    assert paths("Patient.name.where(use = 'usual').given", PATIENT) == ["Patient.name[1].given[0]"]
    assert paths("deceased", PATIENT) == ["Patient.deceased"]
    assert paths("contained.name", PATIENT) == ["Patient.contained[0].name"]
    assert paths("$this", PATIENT) == ["Patient"]
    assert paths("1 + 1", PATIENT) == [""]


def test_a_path_leads_to_its_node_again() -> None:
    for node in fhirpath.compile("descendants()").evaluate(PATIENT):
        (again,) = fhirpath.compile(node.path).evaluate(PATIENT)

        assert (again.value, again.extra, again.type) == (node.value, node.extra, node.type)


@pytest.mark.parametrize(
    ("expression", "type"),
    [
        ("$this", "Patient"),
        ("name[0]", "HumanName"),
        ("name[0].use", "code"),
        ("deceased", "dateTime"),
        ("multipleBirth", "integer"),
        ("contact", "Patient.contact"),
        ("contact.name", "HumanName"),
        ("contained", "Organization"),
        ("birthDate.extension.value", "code"),
        ("name.given.count()", "System.Integer"),
        ("'a'", "System.String"),
        ("1 'mg'", "System.Quantity"),
    ],
)
def test_a_node_knows_its_type(expression: str, type: str) -> None:
    assert types(expression, PATIENT) == [type]


def test_a_choice_is_one_element_whatever_its_type() -> None:
    assert ask("deceased is dateTime and deceased.exists()", PATIENT) == [True]
    assert ask("deceasedDateTime", PATIENT) == []
    assert ask("(deceased as boolean)", PATIENT) == []
    assert ask("multipleBirth.ofType(integer) + 1", PATIENT) == [3]


def test_a_primitive_has_its_extensions_beside_it() -> None:
    assert ask("name[0].given[1].extension('u').value", PATIENT) == ["x"]
    assert ask("name[0].given[1].id", PATIENT) == ["g"]
    assert ask("name.given.where(hasValue()).count()", PATIENT) == [3]
    assert ask("active.extension('u').exists() and active", PATIENT) == [True]


def test_a_primitive_without_a_value_is_there_but_has_none() -> None:
    assert ask("birthDate.exists()", PATIENT) == [True]
    assert ask("birthDate.hasValue()", PATIENT) == [False]
    assert ask("birthDate < today()", PATIENT) == []
    assert ask("birthDate.getValue()", PATIENT) == []
    assert ask("birthDate.toString()", PATIENT) == []


def test_the_type_at_the_start_is_the_resource_or_nothing() -> None:
    assert ask("Patient.id", PATIENT) == ["p"]
    assert ask("DomainResource.id", PATIENT) == ["p"]
    assert ask("Resource.id", PATIENT) == ["p"]
    assert ask("Observation.id", PATIENT) == []


def test_an_expression_may_start_at_any_node() -> None:
    (name,) = fhirpath.compile("name[1]").evaluate(PATIENT)

    assert ask("given", PATIENT, context=name) == ["Jim"]
    assert ask("%resource.id", PATIENT, context=name) == ["p"]
    assert ask("%context.use", PATIENT, context=name) == ["usual"]


def test_a_contained_resource_knows_the_one_around_it() -> None:
    (inner,) = fhirpath.compile("contained").evaluate(PATIENT)

    assert ask("%resource.name", PATIENT, context=inner) == ["Acme"]
    assert ask("%rootResource.id", PATIENT, context=inner) == ["p"]


def test_a_value_of_a_data_type_is_evaluated_under_its_name() -> None:
    name = fhirpath.root({"family": "F", "given": ["G"]}, "HumanName")

    assert ask("HumanName.given", name) == ["G"]
    assert [node.path for node in fhirpath.compile("given").evaluate(name)] == [
        "HumanName.given[0]"
    ]


@pytest.mark.parametrize(
    ("value", "found"),
    [("text", ["text"]), (5, [5]), (Decimal("1.50"), [Decimal("1.50")]), (["a", "b"], ["a", "b"])],
)
def test_a_variable_is_what_the_caller_gives(value: object, found: list[object]) -> None:
    assert ask("%given", variables={"given": value}) == found


def test_an_unknown_variable_is_refused() -> None:
    with pytest.raises(Invalid, match=r"The variable `%other` is not defined here\."):
        ask("%other")


def test_the_input_stays_as_it_is() -> None:
    before = repr(PATIENT)

    ask("descendants().union(name | name).combine(contact).distinct().sort(id)", PATIENT)

    assert repr(PATIENT) == before


@pytest.mark.parametrize(
    "damaged",
    [
        {"resourceType": "Patient", "name": "text"},
        {"resourceType": "Patient", "name": {"given": "one"}},
        {"resourceType": "Patient", "name": [[{"given": ["a"]}]]},
        {"resourceType": "Patient", "name": [None, 5, True]},
        {"resourceType": "Patient", "_birthDate": "text", "birthDate": {"a": 1}},
        {"resourceType": "Patient", "name": [{"_given": {"id": 1}, "given": [[]]}]},
        {"resourceType": "Patient", "contained": [5, {"resourceType": 7}]},
        {"resourceType": ["Patient"]},
        {"resourceType": "Nothing", "a": 1},
        {},
    ],
)
def test_what_validation_would_refuse_is_survived(damaged: dict[str, Any]) -> None:
    for expression in (
        "descendants().count()",
        "name.given.first().toString()",
        "birthDate < today()",
        "contained.id | name.given",
        "name = name and name ~ name",
        "%rootResource.exists()",
        "descendants().extension('x').empty()",
    ):
        with suppress(Invalid):  # a refusal is an answer; a crash is none
            assert isinstance(ask(expression, damaged), list)
