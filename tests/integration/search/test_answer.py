"""https://hl7.org/fhir/R4/search.html#return"""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from fhir_server.service import FhirService
from kernel.errors import BadValue, Invalid
from tests.integration.search.conftest import Ask, Find, caller
from tests.integration.search.ward import WARD, observation


@pytest.mark.parametrize(
    ("sort", "ids"),
    [
        ("family", ["eve", "bob", "nobody"]),
        ("-family", ["eve", "bob", "nobody"]),
        ("birthdate", ["bob", "eve", "nobody"]),
        ("-birthdate", ["eve", "bob", "nobody"]),
        ("gender", ["eve", "bob", "nobody"]),
        ("-gender,_id", ["bob", "eve", "nobody"]),
        ("organization,-family", ["eve", "bob", "nobody"]),
        ("_id", ["bob", "eve", "nobody"]),
        ("-_id", ["nobody", "eve", "bob"]),
        ("_lastUpdated", ["eve", "bob", "nobody"]),
        ("-_lastUpdated,family", ["nobody", "bob", "eve"]),
        ("identifier", ["eve", "bob", "nobody"]),
    ],
)
async def test_matches_are_sorted(find: Find, sort: str, ids: list[str]) -> None:
    assert await find(f"Patient?_sort={sort}") == ids


@pytest.mark.parametrize("sort", ["family", "-gender,_id", "_id", "-_lastUpdated", "birthdate", ""])
async def test_pages_in_any_order_hold_each_match_once(ask: Ask, find: Find, sort: str) -> None:
    order = f"&_sort={sort}" if sort else ""
    whole = await find(f"Patient?_count=100{order}")

    url, seen = f"Patient?_count=1{order}", []
    while url:
        page = await ask(url)
        seen += [entry["resource"]["id"] for entry in page["entry"]]
        url = next((link["url"] for link in page["link"] if link["relation"] == "next"), "")

    assert seen == whole


async def test_a_page_is_of_the_moment_of_the_first(ask: Ask, ward: FhirService) -> None:
    first = await ask("Observation?_sort=_id&_count=1")
    await ward.delete(caller(), "Observation", "pulse-bob")
    await ward.update(caller(), "Observation", "zzz", observation("zzz", "eve"))
    await ward.update(
        caller(), "Observation", "pulse-eve", observation("pulse-eve", "bob", status="amended")
    )

    page, seen = first, []
    while True:
        seen += [(e["resource"]["id"], e["resource"]["meta"]["versionId"]) for e in page["entry"]]
        url = next((link["url"] for link in page["link"] if link["relation"] == "next"), "")
        if not url:
            break
        page = await ask(url)

    assert seen == [("note", "1"), ("pulse-bob", "1"), ("pulse-eve", "1")]


async def test_a_link_to_a_page_shows_no_criteria_and_fits_its_own_search(ask: Ask) -> None:
    page = await ask("Patient?name:missing=false&_count=1")
    link = next(link["url"] for link in page["link"] if link["relation"] == "next")

    assert urlsplit(link).query.startswith("_page=")
    assert "name" not in urlsplit(link).query
    with pytest.raises(BadValue, match="of another search"):
        await ask(link.replace("/Patient", "/Observation"))
    with pytest.raises(BadValue, match="is not of a link of this server"):
        await ask(link[:-2] + ("AA" if link[-2:] != "AA" else "BB"))


async def test_a_page_is_authorised_anew(ask: Ask, find: Find) -> None:
    page = await ask("Patient?_sort=_id&_count=1")
    link = next(link["url"] for link in page["link"] if link["relation"] == "next")

    assert await find(link, caller("patient/*.rs", patient="nobody")) == ["nobody"]


@pytest.mark.parametrize(
    ("query", "total"),
    [
        ("Patient?_summary=count", 3),
        ("Patient?_count=0", 3),
        ("Patient?_total=accurate&_count=1", 3),
        ("Patient?_total=estimate&_count=1", 3),
        ("Patient?_total=none", None),
        ("Patient?_count=1", None),
        ("Patient?gender=male", 1),
        ("Patient?gender=other", 0),
        ("Observation?patient.name=baker&_summary=count", 2),
    ],
)
async def test_the_total_is_told_if_asked_or_known(ask: Ask, query: str, total: int | None) -> None:
    assert (await ask(query)).get("total") == total


async def test_parts_of_matches(ask: Ask) -> None:
    (entry,) = (await ask("Patient?_id=eve&_elements=birthDate"))["entry"]

    assert entry["resource"]["birthDate"] == "1970-03-30"
    assert "name" not in entry["resource"]
    assert entry["resource"]["meta"]["tag"][0]["code"] == "SUBSETTED"
    with pytest.raises(Invalid, match="birthdte"):
        await ask("Patient?_elements=birthdte")


async def test_what_goes_with_the_matches_is_paged_too(service: FhirService, ask: Ask) -> None:
    page = await ask(
        "Observation?_id=pulse-eve&_include=Observation:patient&_include=Observation:encounter"
    )

    assert {(e["resource"]["id"], e["search"]["mode"]) for e in page["entry"]} == {
        ("pulse-eve", "match"),
        ("eve", "include"),
        ("stay", "include"),
    }


async def test_a_search_explains_itself(ask: Ask) -> None:
    page = await ask("Observation?patient.name=baker&code=8867-4&_explain=true")

    (outcome,) = [e["resource"] for e in page["entry"] if e["search"]["mode"] == "outcome"]
    text = " ".join(issue["diagnostics"] for issue in outcome["issue"])
    assert "`patient`: 1 resources at its other end" in text
    assert "Index: `patient`" in text
    assert "index entries and" in text


async def test_lenient_handling_tells_what_it_left_out(ask: Ask) -> None:
    page = await ask("Patient?gender=male&nme=x&_has:Foo:bar:baz=1", caller(lenient=True))

    modes = [entry["search"]["mode"] for entry in page["entry"]]
    assert modes == ["match", "outcome"]
    assert "nme" not in next(link["url"] for link in page["link"] if link["relation"] == "self")


@pytest.mark.parametrize(
    ("sort", "ids"),
    [
        ("age", ["eve", "bob", "nobody"]),
        ("-age", ["bob", "eve", "nobody"]),
        ("phonetic", ["eve", "bob", "nobody"]),
        ("-phonetic", ["eve", "bob", "nobody"]),
        ("deceased", ["bob", "eve", "nobody"]),
        ("-deceased", ["eve", "bob", "nobody"]),
    ],
)
async def test_what_is_not_stored_as_it_is_asked_is_sorted_too(
    find: Find, ward: FhirService, sort: str, ids: list[str]
) -> None:
    for one in WARD:
        if one["id"] in {"eve", "bob"}:
            dead = {"deceasedBoolean": one["id"] == "eve"}
            await ward.update(caller(), "Patient", one["id"], one | dead)

    assert await find(f"Patient?_sort={sort}") == ids


async def test_who_has_another_subject_is_sorted_as_without_a_patient(
    find: Find, ward: FhirService
) -> None:
    pump = observation("pump", "", subject={"reference": "Device/pump"})
    await ward.update(caller(), "Observation", "pump", pump)

    assert (await find("Observation?_sort=patient"))[-1] == "pump"
    assert (await find("Observation?_sort=subject"))[-1] != "pump"


@pytest.mark.parametrize("sort", ["birthdate:desc", "gender:text", "-family:exact"])
async def test_an_order_has_no_modifier(find: Find, sort: str) -> None:
    with pytest.raises(Invalid, match="has a modifier"):
        await find(f"Patient?_sort={sort}")
