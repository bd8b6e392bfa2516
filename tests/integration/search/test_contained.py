"""https://hl7.org/fhir/R4/search.html#contained"""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.service import FhirService
from kernel.errors import Invalid
from tests.integration.search.conftest import Ask, Find, caller
from tests.integration.search.ward import observation

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"


def medication(id: str, code: str, form: str) -> dict[str, Any]:
    return {
        "resourceType": "Medication",
        "id": id,
        "code": {"coding": [{"system": RXNORM, "code": code}]},
        "form": {"coding": [{"code": form}]},
    }


def request(id: str, *contained: dict[str, Any]) -> dict[str, Any]:
    return {
        "resourceType": "MedicationRequest",
        "id": id,
        "status": "active",
        "intent": "order",
        "contained": list(contained),
        "medicationReference": {"reference": f"#{contained[0]['id']}"},
        "supportingInformation": [{"reference": f"#{one['id']}"} for one in contained],
        "subject": {"reference": "Patient/eve"},
    }


@pytest.fixture(autouse=True)
async def prescriptions(ward: FhirService) -> None:
    for one in (
        medication("own", "1", "pill"),
        request("r1", medication("m", "1", "pill")),
        request("r2", medication("m", "2", "pill"), medication("n", "1", "drops")),
    ):
        await ward.update(caller(), one["resourceType"], one["id"], one)


@pytest.mark.parametrize(
    ("query", "urls"),
    [
        (f"code={RXNORM}|1", ["Medication/own"]),
        ("code=1&_contained=false", ["Medication/own"]),
        ("code=1&_contained=true", ["MedicationRequest/r1", "MedicationRequest/r2"]),
        ("code=2&_contained=true&_containedType=container", ["MedicationRequest/r2"]),
        (
            "code=1&_contained=true&_containedType=contained",
            ["MedicationRequest/r1#m", "MedicationRequest/r2#n"],
        ),
        ("code=1&form=pill&_contained=true&_containedType=contained", ["MedicationRequest/r1#m"]),
        (
            "code=1&_contained=both",
            ["Medication/own", "MedicationRequest/r1", "MedicationRequest/r2"],
        ),
        (
            "code=1&_contained=both&_containedType=contained",
            ["Medication/own", "MedicationRequest/r1#m", "MedicationRequest/r2#n"],
        ),
        ("code=3&_contained=true", []),
    ],
)
async def test_contained_resources_are_found(ask: Ask, query: str, urls: list[str]) -> None:
    page = await ask(f"Medication?{query}")

    found = sorted(entry["fullUrl"] for entry in page.get("entry", ()))
    assert found == [f"http://h/fhir/{url}" for url in urls]


async def test_a_contained_match_is_the_contained_resource(ask: Ask) -> None:
    page = await ask("Medication?code=2&_contained=true&_containedType=contained&_elements=code")

    (entry,) = page["entry"]
    assert entry["resource"]["resourceType"] == "Medication"
    assert entry["resource"]["code"]["coding"][0]["code"] == "2"
    assert "form" not in entry["resource"]


async def test_who_may_not_see_the_container_does_not_see_what_it_contains(ask: Ask) -> None:
    query = "Medication?code=1&_contained=true"

    assert "entry" not in await ask(query, caller("patient/*.rs", patient="bob"))
    assert len((await ask(query, caller("patient/*.rs", patient="eve")))["entry"]) == 2
    assert "entry" not in await ask(query, caller("system/Medication.rs"))


@pytest.mark.parametrize("query", ["_sort=code", "_contained=true&_sort=code"])
async def test_contained_resources_have_no_order(ask: Ask, query: str) -> None:
    with pytest.raises(Invalid, match="no `_sort`"):
        await ask(f"Medication?_contained=true&{query.removeprefix('_contained=true&')}")


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("medication.code=1", ["r1"]),
        ("medication.code=2", ["r2"]),
        ("medication.code=1&medication.form=drops", []),
        ("medication.code:not=1", ["r2"]),
        ("medication._id=m", ["r1", "r2"]),
        ("medication.manufacturer:missing=true&_id=r1", ["r1"]),
        ("medication.code=3", []),
        ("_filter=medication.code eq 2", ["r2"]),
        ("subject:Patient.gender=female&medication.form=pill", ["r1", "r2"]),
    ],
)
async def test_a_chain_leads_into_contained_resources(
    find: Find, query: str, ids: list[str]
) -> None:
    assert sorted(await find(f"MedicationRequest?{query}")) == ids


async def test_a_chain_goes_on_from_a_contained_resource(find: Find, ward: FhirService) -> None:
    brand = medication("m", "9", "pill") | {"manufacturer": {"reference": "Organization/clinic"}}
    await ward.update(caller(), "MedicationRequest", "r3", request("r3", brand))

    assert await find("MedicationRequest?medication.manufacturer.name=st. anne") == ["r3"]
    assert await find("MedicationRequest?medication.manufacturer.name=nobody") == []


async def test_what_is_contained_does_not_decide_whose_its_container_is(
    find: Find, ward: FhirService
) -> None:
    report = {
        "resourceType": "DiagnosticReport",
        "id": "both",
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": "Patient/eve"},
        "contained": [observation("inner", "bob")],
        "result": [{"reference": "#inner"}],
    }
    await ward.update(caller(), "DiagnosticReport", "both", report)

    assert await find("DiagnosticReport?patient=eve") == ["both"]
    assert await find("DiagnosticReport?patient=bob") == []
    assert await find("/fhir/DiagnosticReport", compartment=("Patient", "bob")) == []
    assert await find("DiagnosticReport?result.patient=bob") == ["both"]
    assert await find("Observation?_contained=true&patient=bob") == ["both"]
