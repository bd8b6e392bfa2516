"""https://hl7.org/fhir/R4/search.html#contained"""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.service import FhirService
from kernel.errors import Invalid
from tests.integration.search.conftest import Ask, caller

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
