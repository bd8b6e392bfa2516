"""https://hl7.org/fhir/R4/search.html#chaining and https://hl7.org/fhir/R4/search.html#has"""

from __future__ import annotations

import pytest

from fhir_server.service import FhirService
from kernel.errors import Forbidden, Invalid
from tests.integration.search.conftest import Find, caller


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("Observation?subject:Patient.name=muller", ["pulse-eve"]),
        ("Observation?patient.name=baker&code=8867-4", ["pulse-bob"]),
        ("Observation?subject.family=abel", ["pulse-eve"]),
        ("Observation?subject:Patient.name:exact=Baker", ["note", "pulse-bob"]),
        ("Observation?patient.gender=female,male&code=8867-4", ["pulse-bob", "pulse-eve"]),
        ("Observation?patient.organization.name=st. anne", ["pulse-eve"]),
        ("Observation?patient.general-practitioner:Practitioner.family=adams", ["pulse-eve"]),
        ("Observation?encounter.participant:Practitioner.name=ruth", ["pulse-eve"]),
        ("Observation?performer.name=clinic", []),
        ("Observation?performer:Organization.name=st", ["pulse-bob"]),
        ("Observation?performer:Practitioner.name=ruth", ["pulse-eve"]),
        ("Observation?patient.birthdate=lt1960", ["note", "pulse-bob"]),
        ("Observation?patient.name=nobody-has-this", []),
        ("Observation?patient._id=eve", ["pulse-eve"]),
        ("Encounter?service-provider.name=st", ["stay"]),
        ("Patient?_has:Observation:patient:code=8867-4", ["bob", "eve"]),
        ("Patient?_has:Observation:patient:code=8867-4&gender=male", ["bob"]),
        ("Patient?_has:Observation:patient:performer:Practitioner.name=ruth", ["eve"]),
        ("Patient?_has:Observation:subject:_has:Provenance:target:agent=dr", ["eve"]),
        ("Patient?_has:Encounter:patient:service-provider=clinic", ["eve"]),
        ("Practitioner?_has:Encounter:participant:class=IMP", ["dr"]),
        ("Practitioner?_has:Encounter:participant:class=AMB", []),
        ("Organization?_has:Patient:organization:gender=female", ["clinic"]),
        ("Observation?patient._has:Encounter:patient:status=finished", ["pulse-eve"]),
        ("Observation?_has:Provenance:target:agent=Practitioner/dr", ["pulse-eve"]),
    ],
)
async def test_links_are_followed(find: Find, query: str, ids: list[str]) -> None:
    assert sorted(await find(query)) == ids


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("Observation?code.name=x", "only a reference leads on"),
        ("Observation?patient.nme=x", "`Patient` has no search parameter `nme`"),
        ("Observation?subject:Medication.code=x", "never refers to a `Medication`"),
        ("Provenance?target.name=x", "name the one you mean"),
        ("Patient?_has:Observation:code=1", "is not `_has:Type:reference:parameter`"),
        ("Patient?_has:Observaton:patient:code=1", "no resource type"),
        ("Patient?_has:Observation:encounter:code=1", "never refers to a `Patient`"),
        ("Observation?" + "patient." * 8 + "name=x", "has no search parameter|at most"),
    ],
)
async def test_a_link_that_leads_nowhere_is_refused(find: Find, query: str, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        await find(query)


async def test_a_link_needs_the_scope_of_its_target(find: Find) -> None:
    only = caller("system/Observation.rs")

    with pytest.raises(Forbidden):
        await find("Observation?patient.name=muller", only)
    with pytest.raises(Forbidden):
        await find("Observation?subject:Patient.name=muller", only)
    with pytest.raises(Forbidden):
        await find("Patient?_has:Observation:patient:code=1", caller("system/Patient.rs"))


async def test_a_patient_learns_nothing_of_another_by_a_link(find: Find) -> None:
    eve = caller("patient/*.rs", patient="eve")

    assert await find("Observation?patient.name=baker", eve) == []
    assert await find("Observation?patient.name=muller", eve) == ["pulse-eve"]
    assert await find("Patient?_has:Observation:patient:code=8867-4", eve) == ["eve"]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("QuestionnaireResponse?questionnaire.title=intake", ["any", "first"]),
        ("QuestionnaireResponse?questionnaire.title=nothing", []),
        ("Questionnaire?_has:QuestionnaireResponse:questionnaire:_id=first", ["intake"]),
        ("Questionnaire?_has:QuestionnaireResponse:questionnaire:_id=any", ["intake"]),
        ("Questionnaire?_has:QuestionnaireResponse:questionnaire:_id=second", []),
    ],
)
async def test_canonicals_lead_to_the_version_that_they_name(
    find: Find, ward: FhirService, query: str, ids: list[str]
) -> None:
    url = "http://acme.org/fhir/Questionnaire/intake"
    form = {"url": url, "version": "1", "status": "active", "title": "Intake"}
    stored = {"resourceType": "Questionnaire", "id": "intake", **form}
    await ward.update(caller(), "Questionnaire", "intake", stored)
    for id, canonical in (("any", url), ("first", f"{url}|1"), ("second", f"{url}|2")):
        answer = {"resourceType": "QuestionnaireResponse", "id": id, "status": "completed"}
        await ward.update(
            caller(), answer["resourceType"], id, answer | {"questionnaire": canonical}
        )

    assert sorted(await find(query)) == ids
