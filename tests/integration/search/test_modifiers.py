"""https://hl7.org/fhir/R4/search.html#modifiers"""

from __future__ import annotations

import pytest

from fhir_server.service import FhirService
from kernel.errors import Invalid
from tests.integration.search.conftest import Find, caller
from tests.integration.search.ward import observation


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("Patient?gender:missing=true", ["nobody"]),
        ("Patient?gender:missing=false", ["bob", "eve"]),
        ("Patient?name:missing=true", ["nobody"]),
        ("Patient?birthdate:missing=true", ["nobody"]),
        ("Patient?organization:missing=true", ["bob", "nobody"]),
        ("Patient?organization:missing=false", ["eve"]),
        ("Patient?_profile:missing=false", ["eve"]),
        ("Patient?identifier:of-type=http://terminology.hl7.org/CodeSystem/v2-0203|MR|7", ["eve"]),
        ("Patient?identifier:of-type=http://terminology.hl7.org/CodeSystem/v2-0203|MR|8", []),
        ("Patient?_profile=http://acme.org/fhir/StructureDefinition/ward-patient", ["eve"]),
        ("Patient?_profile:below=http://acme.org/fhir", ["eve"]),
        ("Patient?_profile:below=http://acme.org/fh", []),
        ("ValueSet?url:below=http://acme.org/fhir/", ["codes"]),
        ("ValueSet?url:below=http://acme.org/fhir/ValueSet/123/history", ["codes"]),
        ("ValueSet?url:below=http://acme.org/fhir/ValueSet/12", []),
        ("ValueSet?url:below=http://acme.org/fhir/ValueSet/123/history/", []),
        ("ValueSet?url:above=http://acme.org/fhir/ValueSet/123/history/5", ["codes"]),
        ("ValueSet?url:above=http://acme.org/fhir/ValueSet/123/history", ["codes"]),
        ("ValueSet?url:above=http://acme.org/fhir/ValueSet/123", []),
        ("Observation?code:text=heart", ["pulse-bob", "pulse-eve"]),
        ("Observation?code:text=resting", ["pulse-bob", "pulse-eve"]),
        ("Observation?code:text=WOUND", ["note"]),
        ("Observation?code:text=ound", []),
        ("Observation?code:text=.*", None),
        ("Observation?subject:text=somebody", ["note", "pulse-bob", "pulse-eve"]),
        ("Observation?code:not=8867-4", ["note"]),
        ("Observation?subject:Patient=eve", ["pulse-eve"]),
        ("Observation?subject:Device=Patient/eve", []),
        ("Observation?subject:Device=http://h/fhir/Patient/eve", []),
        ("Observation?patient:missing=false", ["note", "pulse-bob", "pulse-eve"]),
        ("Patient?_id:not=eve,bob", ["nobody"]),
        ("Patient?_id:missing=true", []),
        ("Patient?_id:missing=false", ["bob", "eve", "nobody"]),
        ("Patient?_lastUpdated:missing=true", []),
        ("Patient?_lastUpdated:missing=false&gender=male", ["bob"]),
    ],
)
async def test_modifiers(find: Find, query: str, ids: list[str] | None) -> None:
    assert sorted(await find(query)) == (ids or [])


@pytest.mark.parametrize("modifier", ["in", "not-in", "above", "below"])
async def test_what_needs_terminology_is_refused_as_such(find: Find, modifier: str) -> None:
    with pytest.raises(Invalid, match="needs a terminology service") as refusal:
        await find(f"Observation?code:{modifier}=http://x")

    assert refusal.value.issues[0].code == "not-supported"


async def test_who_has_another_subject_lacks_the_patient(find: Find, ward: FhirService) -> None:
    pump = observation("pump", "", subject={"reference": "Device/pump"})
    await ward.update(caller(), "Observation", "pump", pump)

    assert await find("Observation?patient:missing=true") == ["pump"]
    assert await find("Observation?subject:missing=true") == []
    assert "pump" not in await find("Observation?patient:missing=false")
