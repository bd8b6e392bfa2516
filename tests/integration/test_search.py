"""https://hl7.org/fhir/R4/search.html"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from fhir_server.search.kind import Scope
from fhir_server.search.order import SORTS
from fhir_server.search.plan import simple
from fhir_server.search.query import parse
from kernel.errors import Invalid

if TYPE_CHECKING:
    from fhir_server.model import Context
    from fhir_server.service import FhirService
    from fhir_server.store import mongo

LOINC = "http://loinc.org"
RESOURCES: list[dict[str, Any]] = [
    {
        "resourceType": "Patient",
        "id": "eve",
        "identifier": [{"system": "urn:oid:1.2.36", "value": "7000135"}],
        "name": [{"family": "Müller", "given": ["Evelyn"]}],
        "gender": "female",
        "birthDate": "1970-03-30",
    },
    {
        "resourceType": "Patient",
        "id": "bob",
        "name": [{"family": "Mullins", "given": ["Bob"]}],
        "gender": "male",
        "deceasedBoolean": True,
    },
    {
        "resourceType": "Encounter",
        "id": "stay",
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "subject": {"reference": "Patient/eve"},
        "period": {"start": "2020-01-10T08:00:00Z", "end": "2020-01-14T12:00:00Z"},
    },
    *(
        {
            "resourceType": "Observation",
            "id": f"pulse-{day}",
            "status": "final",
            "code": {"coding": [{"system": LOINC, "code": "8867-4"}]},
            "subject": {"reference": "Patient/eve"},
            "encounter": {"reference": "Encounter/stay"},
            "effectiveDateTime": f"2020-01-{day}T08:00:00Z",
        }
        for day in (11, 13, 12)
    ),
    {
        "resourceType": "Observation",
        "id": "pulse-bob",
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": "8867-4"}]},
        "subject": {"reference": "Patient/bob"},
        "effectiveDateTime": "2021",
    },
    {
        "resourceType": "ImagingStudy",
        "id": "ct",
        "status": "available",
        "identifier": [{"system": "urn:dicom:uid", "value": "urn:oid:1.2.3"}],
        "subject": {"reference": "Patient/eve"},
        "started": "2020-01-12T09:30:00Z",
        "series": [
            {
                "uid": "1.2.3.4",
                "modality": {
                    "system": "http://dicom.nema.org/resources/ontology/DCM",
                    "code": "CT",
                },
                "instance": [
                    {"uid": "1.2.3.4.5", "sopClass": {"code": "urn:oid:1.2.840.10008.5.1.4.1.1.2"}}
                ],
            }
        ],
    },
    {
        "resourceType": "DiagnosticReport",
        "id": "report",
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": "24627-2"}]},
        "subject": {"reference": "Patient/eve"},
        "imagingStudy": [{"reference": "ImagingStudy/ct"}],
        "result": [{"reference": "Observation/pulse-11"}],
        "issued": "2020-01-12T10:00:00.000Z",
    },
]


@pytest.fixture
async def server(service: FhirService, ctx: Context) -> FhirService:
    """A server that holds the resources above."""
    for resource in RESOURCES:
        await service.update(ctx, resource["resourceType"], resource["id"], resource)
    return service


async def ids(server: FhirService, ctx: Context, type: str, query: str) -> list[str]:
    page = await server.search(ctx, type, parse_qsl(query, keep_blank_values=True))
    entries = json.loads(page.body).get("entry", [])
    return [entry["resource"]["id"] for entry in entries]


@pytest.mark.parametrize(
    ("type", "query", "expected"),
    [
        ("Patient", "identifier=urn:oid:1.2.36|7000135", {"eve"}),
        ("Patient", "identifier=urn:oid:1.2.36|", {"eve"}),
        ("Patient", "gender=male", {"bob"}),
        ("Patient", "gender:not=male", {"eve"}),
        ("Patient", "name=mull", {"eve", "bob"}),
        ("Patient", "family=mulle", {"eve"}),
        ("Patient", "family:exact=Müller", {"eve"}),
        ("Patient", "name:contains=LLI", {"bob"}),
        ("Patient", "name:contains=.*", set()),
        ("Patient", "birthdate=1970", {"eve"}),
        ("Patient", "birthdate:missing=true", {"bob"}),
        ("Patient", "deceased=true", {"bob"}),
        ("Patient", "_id=eve,bob,none", {"eve", "bob"}),
        ("Patient", "gender=female&name=bob", set()),
        ("Encounter", "patient=eve&date=2020-01", {"stay"}),
        ("Encounter", "date=2020-01-12", set()),
        ("Encounter", "date=ap2020-01-12", {"stay"}),
        ("Encounter", "class=IMP&status=finished", {"stay"}),
        ("Encounter", "subject:Patient=eve", {"stay"}),
        ("Observation", f"code={LOINC}|8867-4&patient=bob", {"pulse-bob"}),
        ("Observation", "patient=eve&date=ge2020-01-12&date=lt2020-01-13", {"pulse-12"}),
        ("Observation", "encounter=Encounter/stay&date=gt2020-01-12", {"pulse-13"}),
        ("Observation", "subject=Patient/bob,Patient/none", {"pulse-bob"}),
        ("Observation", "combo-code=8867-4&date=2021", {"pulse-bob"}),
        ("ImagingStudy", "identifier=urn:dicom:uid|urn:oid:1.2.3", {"ct"}),
        ("ImagingStudy", "modality=CT&started=2020-01-12", {"ct"}),
        ("ImagingStudy", "series=1.2.3.4&instance=1.2.3.4.5", {"ct"}),
        ("ImagingStudy", "patient=Patient/bob", set()),
        ("DiagnosticReport", "code=24627-2&issued=2020-01-12", {"report"}),
        ("DiagnosticReport", "result=pulse-11&patient=eve", {"report"}),
        ("DiagnosticReport", "media=x", set()),
        ("DiagnosticReport", "_lastUpdated=gt2020", {"report"}),
        ("DiagnosticReport", "_lastUpdated=lt2020", set()),
    ],
)
async def test_a_search_finds_what_it_asks_for(
    server: FhirService, ctx: Context, type: str, query: str, expected: set[str]
) -> None:
    assert set(await ids(server, ctx, type, query)) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["pulse-bob", "pulse-13", "pulse-12", "pulse-11"]),
        ("_sort=date", ["pulse-11", "pulse-12", "pulse-13", "pulse-bob"]),
        ("_sort=_id", ["pulse-11", "pulse-12", "pulse-13", "pulse-bob"]),
        ("_sort=-_id", ["pulse-bob", "pulse-13", "pulse-12", "pulse-11"]),
    ],
)
@pytest.mark.parametrize("count", [1, 2, 4, 10])
async def test_pages_show_each_match_once_in_order(
    server: FhirService, ctx: Context, query: str, expected: list[str], count: int
) -> None:
    pages = await all_pages(server, ctx, f"{query}&_count={count}")

    assert [entry["id"] for page in pages for entry in page] == expected
    assert len(pages) == -(-len(expected) // count)  # no page is empty


@pytest.mark.parametrize("order", ["_lastUpdated", "-_lastUpdated"])
async def test_pages_in_the_order_of_change_show_each_match_once(
    server: FhirService, ctx: Context, order: str
) -> None:
    pages = await all_pages(server, ctx, f"_sort={order}&_count=1")

    changed = [entry["meta"]["lastUpdated"] for page in pages for entry in page]
    assert changed == sorted(changed, reverse=order.startswith("-"))
    assert len({entry["id"] for page in pages for entry in page}) == len(pages) == 4


async def all_pages(server: FhirService, ctx: Context, query: str) -> list[list[dict[str, Any]]]:
    """Return the resources of each page, following the `next` links."""
    pages: list[list[dict[str, Any]]] = []
    following: str | None = query
    while following is not None and len(pages) < 10:
        page = json.loads((await server.search(ctx, "Observation", parse_qsl(following))).body)
        pages.append([entry["resource"] for entry in page.get("entry", [])])
        links = {link["relation"]: link["url"] for link in page["link"]}
        following = urlsplit(links["next"]).query if "next" in links else None
    return pages


async def test_an_unknown_parameter_is_no_unfiltered_list(
    server: FhirService, ctx: Context
) -> None:
    with pytest.raises(Invalid, match="`Patient` has no search parameter `identifer`"):
        await ids(server, ctx, "Patient", "identifer=7000135")


async def test_what_was_deleted_is_not_found(server: FhirService, ctx: Context) -> None:
    await server.delete(ctx, "Patient", "bob")

    assert await ids(server, ctx, "Patient", "_id=bob") == []
    assert await ids(server, ctx, "Patient", "gender:not=female") == []
    assert await ids(server, ctx, "Patient", "birthdate:missing=true") == []


@pytest.mark.parametrize("query", ["code=8867-4", "patient=eve&code=8867-4", "patient=eve", ""])
async def test_the_newest_come_from_an_index_without_a_sort(
    server: FhirService, collections: mongo.Collections, query: str
) -> None:
    asked = parse_qsl(query)
    parsed = parse("Observation", asked, lenient=False, default_count=2, max_count=2)
    condition = simple("Observation", parsed.criteria["Observation"], Scope())

    found = collections.resources.find(condition, sort=SORTS[parsed.controls.order.index], limit=3)
    explained = await found.explain()

    stages = json.dumps(explained["queryPlanner"]["winningPlan"], default=str)
    assert '"IXSCAN"' in stages
    assert '"SORT"' not in stages, stages
