"""https://hl7.org/fhir/R4/search.html#content, #list, #filter and compartments"""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from fhir_server.service import FhirService
from kernel.errors import BadValue, Forbidden, Invalid
from tests.integration.search.conftest import Ask, Find, caller


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("Observation?_content=metastases", ["note"]),
        ("Observation?_content=healing AND infect", ["note"]),
        ("Observation?_content=healing NOT infection", []),
        ("Observation?_content=(fracture OR wound) and well", ["note"]),
        ('Observation?_content="healing well"', ["note"]),
        ('Observation?_content="well healing"', []),
        ("Observation?_content=pulse", ["pulse-bob", "pulse-eve"]),
        ("Observation?_content=pulse&subject=Patient/bob", ["pulse-bob"]),
        ("Observation?_text=dry", ["note"]),
        ("Observation?_text=metastases", []),
        ("Observation?_text=xhtml", []),
        ("Patient?_list=round", ["eve"]),
        ("Patient?_list=List/round", ["eve"]),
        ("Observation?_list=round,nothing", ["note"]),
        ("Patient?_list=nothing", []),
        ('Patient?_filter=family eq "baker"', ["bob"]),
        ('Patient?_filter=family co "ake" or family sw "mul"', ["bob", "eve"]),
        ('Patient?_filter=family ew "ler"', ["eve"]),
        ('Patient?_filter=family eq "bak"', []),
        ('Patient?_filter=family ne "baker" and family pr true', ["eve"]),
        ("Patient?_filter=gender eq male", ["bob"]),
        ("Patient?_filter=not (gender eq male)", ["eve", "nobody"]),
        ("Patient?_filter=birthdate lt 1960 or birthdate ge 1970-03", ["bob", "eve"]),
        ("Patient?_filter=(gender eq male or gender eq female) and birthdate gt 1960", ["eve"]),
        ("Patient?_filter=identifier eq urn:oid:1.2.36|8", ["bob"]),
        ("Patient?_filter=organization re Organization/clinic", ["eve"]),
        (
            'Observation?_filter=patient.family eq "baker" and code eq http://loinc.org|8867-4',
            ["pulse-bob"],
        ),
        ("Observation?_filter=value-quantity gt 70", ["pulse-eve"]),
        ("Observation?_filter=value-quantity gt 80", []),
        ("Patient?_filter=gender pr false", ["nobody"]),
    ],
)
async def test_special_parameters(find: Find, query: str, ids: list[str]) -> None:
    assert sorted(await find(query)) == ids


async def test_a_location_without_a_position_lacks_near(find: Find, ward: FhirService) -> None:
    for id, more in (("here", {"position": {"longitude": 1, "latitude": 2}}), ("lost", {})):
        location = {"resourceType": "Location", "id": id, **more}
        await ward.update(caller(), "Location", id, location)

    assert await find("Location?near:missing=true") == ["lost"]
    assert await find("Location?near:missing=false") == ["here"]


@pytest.mark.parametrize(
    "query",
    [
        "Patient?_filter=family",
        "Patient?_filter=family eq",
        "Patient?_filter=(family eq x",
        "Patient?_filter=family eq x)",
        "Patient?_filter=family is x",
        "Patient?_filter=" + "(" * 50 + "family eq x" + ")" * 50,
        "Patient?_filter=family eq x and",
        'Patient?_filter=family eq "x',
        "Patient?_content=AND",
        "Patient?_content=(x",
        "Patient?_content=x)",
        "Patient?_list=a b",
        "Patient?_list=eve,",
    ],
)
async def test_what_does_not_follow_the_grammar_is_refused(find: Find, query: str) -> None:
    with pytest.raises(BadValue):
        await find(query)


@pytest.mark.parametrize(
    "query",
    [
        "Patient?_filter=famly eq x",
        "Patient?_filter=gender gt male",
        "Patient?_filter=family gt x",
        "Observation?_filter=code in http://x",
        "Patient?_list=$current-problems",
    ],
)
async def test_what_does_not_fit_is_refused(find: Find, query: str) -> None:
    with pytest.raises(Invalid):
        await find(query)


@pytest.mark.parametrize(
    ("within", "query", "ids"),
    [
        (("Patient", "eve"), "Observation", ["pulse-eve"]),
        (("Patient", "eve"), "Observation?code=8867-4", ["pulse-eve"]),
        (("Patient", "bob"), "Observation?code=8867-4", ["pulse-bob"]),
        (("Patient", "eve"), "", ["eve", "origin", "pulse-eve", "round", "stay"]),
        (("Patient", "eve"), "?_type=Encounter,Patient", ["eve", "stay"]),
        (("Encounter", "stay"), "Observation", ["pulse-eve"]),
        (("Encounter", "stay"), "Encounter", ["stay"]),
        (("Practitioner", "dr"), "Encounter", ["stay"]),
        (("Practitioner", "dr"), "Patient", ["eve"]),
        (("Practitioner", "dr"), "Observation", ["pulse-eve"]),
        (("Device", "x"), "Observation", []),
        (("RelatedPerson", "x"), "Observation", []),
    ],
)
async def test_a_compartment_bounds_a_search(
    find: Find, within: tuple[str, str], query: str, ids: list[str]
) -> None:
    found = sorted(await find(query, compartment=within))

    assert set(ids) - {"origin", "round"} <= set(found) <= set(ids)


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("?_type=Patient,Observation&_id=eve,note", ["eve", "note"]),
        ("?_id=eve", ["eve"]),
        ("?_type=Patient,Practitioner&_sort=_id", ["bob", "eve", "nobody", "dr"]),
        ("?_type=Patient,Practitioner&family=adams,baker&_sort=family", ["dr", "bob"]),
    ],
)
async def test_several_types_are_searched_at_once(find: Find, query: str, ids: list[str]) -> None:
    found = await find(query)

    assert found == ids if "_sort=family" in query else sorted(found) == sorted(ids)


async def test_a_search_of_all_types_is_of_those_that_the_caller_may_search(find: Find) -> None:
    assert sorted(await find("", caller("system/Patient.rs"))) == ["bob", "eve", "nobody"]
    assert await find("?_type=Patient", caller("patient/*.rs", patient="eve")) == ["eve"]
    with pytest.raises(Forbidden):
        await find("?_type=Observation", caller("system/Patient.rs"))


async def test_a_parameter_that_one_of_the_types_lacks_is_refused(ask: Ask) -> None:
    with pytest.raises(Invalid, match="`Practitioner` has no search parameter `birthdate`"):
        await ask("?_type=Patient,Practitioner&birthdate=1950")


async def test_pages_of_several_types_are_of_those_types(ask: Ask) -> None:
    url, seen = "?_type=Patient,Practitioner&_count=1", []
    first = await ask(url)
    assert "_type=Patient,Practitioner" in first["link"][0]["url"]

    page = first
    while True:
        seen += [entry["resource"]["resourceType"] for entry in page["entry"]]
        url = next((link["url"] for link in page["link"] if link["relation"] == "next"), "")
        if not url:
            break
        page = await ask(f"?{urlsplit(url).query}")

    assert sorted(seen) == ["Patient", "Patient", "Patient", "Practitioner"]
