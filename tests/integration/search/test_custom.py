"""https://hl7.org/fhir/R4/searchparameter.html: parameters that are made over REST."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.service import FhirService
from fhir_server.store import reindex
from fhir_server.store.store import Store
from kernel.errors import Forbidden, Invalid
from tests.integration.search.conftest import Find, caller
from tests.integration.search.ward import LOINC, observation

URL = "http://acme.org/fhir/StructureDefinition/"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reindex, "SETTLE_S", 0.0)


def definition(id: str, code: str, kind: str, expression: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "SearchParameter",
        "id": id,
        "url": f"http://acme.org/fhir/SearchParameter/{id}",
        "name": code,
        "status": "active",
        "description": "Ours.",
        "code": code,
        "base": ["Patient"],
        "type": kind,
        "expression": expression,
    } | more


def patient(id: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": id,
        "extension": [
            {
                "url": f"{URL}ward",
                "valueCodeableConcept": {"coding": [{"system": "urn:w", "code": id}]},
            },
            {"url": f"{URL}score", "valueInteger": len(id)},
            {
                "url": f"{URL}weight",
                "valueQuantity": {"value": 2, "system": "http://unitsofmeasure.org", "code": "kg"},
            },
            {"url": f"{URL}since", "valueDate": "2020-05-01"},
            {"url": f"{URL}keeper", "valueReference": {"reference": "Practitioner/dr"}},
            {"url": f"{URL}nick", "valueString": f"Nick {id}"},
        ],
    } | more


def extension(name: str) -> str:
    return f"Patient.extension.where(url='{URL}{name}').value"


async def build(store: Store) -> int:
    done = 0
    for type in await store.reindex.pending():
        done = max([count async for count in store.reindex.build(type)], default=0)
    return done


async def make(service: FhirService, *definitions: dict[str, Any]) -> None:
    for one in definitions:
        await service.update(caller(), "SearchParameter", one["id"], one)


PARAMETERS = [
    definition("ward", "ward", "token", extension("ward")),
    definition("score", "score", "number", extension("score")),
    definition("weight", "weight", "quantity", extension("weight")),
    definition("since", "since", "date", extension("since")),
    definition("keeper", "keeper", "reference", extension("keeper"), target=["Practitioner"]),
    definition("nick", "nick", "string", extension("nick")),
    definition("initials", "initials", "string", "Patient.name.given.first().substring(0, 1)"),
    definition("whole", "whole-name", "string", "Patient.name"),
]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("Patient?ward=urn:w|ann", ["ann"]),
        ("Patient?ward=ann,james", ["ann", "james"]),
        ("Patient?ward:missing=true", ["bob", "eve", "nobody"]),
        ("Patient?score=gt3", ["james"]),
        ("Patient?weight=2000|http://unitsofmeasure.org|g", ["ann", "james"]),
        ("Patient?since=2020-05", ["ann", "james"]),
        ("Patient?since=gt2021", []),
        ("Patient?keeper=dr", ["ann", "james"]),
        ("Patient?keeper=Practitioner/dr", ["ann", "james"]),
        ("Patient?keeper.family=adams", ["ann", "james"]),
        ("Patient?nick=nick j", ["james"]),
        ("Patient?nick:contains=ames", ["james"]),
        ("Patient?initials=E", ["eve"]),
        ("Patient?whole-name=abel", ["eve"]),
        ("Patient?whole-name=abel&gender=female", ["eve"]),
        ("Patient?nick:missing=false&_sort=-score", ["james", "ann"]),
        ("Patient?nick:missing=false&_sort=-ward", ["james", "ann"]),
        ("Patient?nick:missing=false&_sort=ward", ["ann", "james"]),
        ("Patient?_sort=keeper,-ward&_count=2", ["james", "ann"]),
        ("Practitioner?_has:Patient:keeper:score=gt3", ["dr"]),
        ("Practitioner?_has:Patient:keeper:score=gt30", []),
    ],
)
async def test_what_was_stored_before_and_after_is_found(
    find: Find, ward: FhirService, store: Store, query: str, ids: list[str]
) -> None:
    await ward.update(caller(), "Patient", "ann", patient("ann"))
    await make(ward, *PARAMETERS)
    await ward.update(caller(), "Patient", "james", patient("james"))

    await build(store)

    found = await find(query)
    assert (found if "_sort" in query else sorted(found)) == ids


VITAL = "http://hl7.org/fhir/SearchParameter/"


def reading(id: str, *components: tuple[str, float]) -> dict[str, Any]:
    return observation(
        id,
        "eve",
        component=[
            {
                "code": {"coding": [{"system": LOINC, "code": code}]},
                "valueQuantity": {
                    "value": value,
                    "system": "http://unitsofmeasure.org",
                    "code": "mm[Hg]",
                },
            }
            for code, value in components
        ],
    )


@pytest.mark.parametrize(
    ("value", "ids"),
    [
        ("8480-6$gt140", ["high"]),
        (f"{LOINC}|8480-6$gt140", ["high"]),
        (f"{LOINC}|8462-4$lt90,8480-6$150", ["high", "low"]),
        ("urn:other|8480-6$gt140", []),
        ("8462-4$gt140", []),
        ("8480-6$gt18.6|http://unitsofmeasure.org|kPa", ["high"]),
    ],
)
async def test_the_parts_of_a_composite_are_met_in_one_element(
    find: Find, ward: FhirService, store: Store, value: str, ids: list[str]
) -> None:
    both = definition("both", "both", "composite", "Observation.component", base=["Observation"])
    parts = [
        {"definition": f"{VITAL}Observation-component-code", "expression": "code"},
        {
            "definition": f"{VITAL}Observation-component-value-quantity",
            "expression": "value.ofType(Quantity)",
        },
    ]
    high = reading("high", ("8480-6", 150), ("8462-4", 80))
    await ward.update(caller(), "Observation", "high", high)
    await make(ward, both | {"component": parts})
    await build(store)
    low = reading("low", ("8480-6", 90), ("8462-4", 60))
    await ward.update(caller(), "Observation", "low", low)

    assert sorted(await find(f"Observation?both={value}")) == ids


async def test_a_composite_of_what_cannot_be_joined_is_refused(ward: FhirService) -> None:
    part = {"definition": f"{VITAL}Patient-name", "expression": "family"}
    dated = {"definition": f"{VITAL}Patient-death-date", "expression": "deceased"}
    await make(
        ward,
        definition("one", "one", "composite", "Patient.name", component=[part]),
        definition("text", "text", "composite", "Patient.name", component=[part, part]),
        definition("two", "two", "composite", "Patient", component=[dated, dated]),
    )

    told = await ward.index_progress(caller())

    refused = {row["id"].partition("/")[2] for row in told["refused"]}
    assert refused == {"one", "text", "two"}


async def test_components_that_do_not_fit_refuse_no_resource(
    find: Find, ward: FhirService, store: Store
) -> None:
    parts = [
        {"definition": f"{VITAL}Observation-component-code", "expression": "value"},
        {"definition": f"{VITAL}Observation-component-value-quantity", "expression": "code"},
    ]
    odd = definition("odd", "odd", "composite", "Observation.component", base=["Observation"])
    await make(ward, odd | {"component": parts})
    await build(store)

    high = reading("high", ("8480-6", 150))
    await ward.update(caller(), "Observation", "high", high)

    assert await find("Observation?_id=high") == ["high"]
    assert await find("Observation?odd=mm[Hg]$gt1") == []


async def test_until_its_index_is_built_a_parameter_says_so(
    find: Find, ward: FhirService, store: Store
) -> None:
    await make(ward, PARAMETERS[0])

    with pytest.raises(Invalid, match="its index is still being built") as refusal:
        await find("Patient?ward=x")
    assert refusal.value.issues[0].code == "incomplete"

    assert await build(store) == 3
    assert await find("Patient?ward=x") == []
    assert await store.reindex.pending() == []


async def test_a_changed_definition_is_built_anew(
    find: Find, ward: FhirService, store: Store
) -> None:
    await ward.update(caller(), "Patient", "ann", patient("ann"))
    await make(ward, PARAMETERS[0])
    await build(store)
    assert await find("Patient?ward=ann") == ["ann"]

    await make(ward, definition("ward", "ward", "token", "Patient.gender"))

    with pytest.raises(Invalid, match="still being built"):
        await find("Patient?ward=ann")
    await build(store)
    assert await find("Patient?ward=ann") == []
    assert await find("Patient?ward=male") == ["bob"]


async def test_a_deleted_or_retired_parameter_is_gone(
    find: Find, ward: FhirService, store: Store
) -> None:
    await make(ward, PARAMETERS[0], PARAMETERS[5])
    await build(store)

    await ward.delete(caller(), "SearchParameter", "ward")
    await make(ward, PARAMETERS[5] | {"status": "retired"})
    await build(store)

    for query in ("Patient?ward=x", "Patient?nick=x"):
        with pytest.raises(Invalid, match="has no search parameter"):
            await find(query)
    assert await store.reindex.pending() == []


async def test_progress_tells_what_serves_what_is_built_and_what_is_refused(
    ward: FhirService, store: Store
) -> None:
    await make(ward, PARAMETERS[0])
    await build(store)
    await make(
        ward,
        PARAMETERS[5],
        definition("broken", "broken", "token", "Patient.name.("),
        definition("special", "special", "special", "Patient.name"),
        definition("gender", "gender", "token", "Patient.name"),
    )

    told = await ward.index_progress(caller())

    states = {row["code"]: row["state"] for row in told["parameters"]}
    assert states == {"ward": "serving", "nick": "building"}
    assert {row["id"] for row in told["refused"]} == {
        "SearchParameter/broken",
        "SearchParameter/special",
    }
    with pytest.raises(Forbidden):
        await ward.index_progress(caller("system/Patient.rs"))


async def test_a_parameter_of_r4_cannot_be_replaced(
    find: Find, ward: FhirService, store: Store
) -> None:
    await make(ward, definition("gender", "gender", "token", "Patient.id"))

    await build(store)

    assert await find("Patient?gender=male") == ["bob"]
