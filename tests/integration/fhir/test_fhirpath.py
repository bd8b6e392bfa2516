"""$fhirpath over HTTP, and a FHIRPath Patch on the way to the store.

https://hl7.org/fhirpath/N1/
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
import pytest_asyncio

from fhir_server.model import Context, Origin, Principal
from fhir_server.operations.operation import Call
from kernel.errors import Forbidden
from tests.integration.fhir.web import JSON, client_of, diagnostics, put

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from fhir_server.service import FhirService
    from fhir_server.store.store import Store


@pytest_asyncio.fixture
async def client(service: FhirService, store: Store) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(service, store) as made:
        yield made


def parameters(**given: Any) -> dict[str, Any]:
    """Return Parameters; a dict is a resource, a list holds parts."""
    names = {dict: "resource", list: "part", str: "valueString", bool: "valueBoolean"}
    return {
        "resourceType": "Parameters",
        "parameter": [{"name": n, names[type(value)]: value} for n, value in given.items()],
    }


def results(answer: Mapping[str, Any]) -> list[Any]:
    """Return the values of all results."""
    found = [p for p in answer["parameter"] if p["name"] == "result"]
    return [
        next((value for key, value in part.items() if key.startswith("value")), None)
        for result in found
        for part in result.get("part", ())
    ]


async def ask(client: httpx.AsyncClient, url: str, **given: Any) -> httpx.Response:
    return await client.post(url, json=parameters(**given), headers=JSON)


async def test_each_item_comes_with_its_type_and_place(client: httpx.AsyncClient) -> None:
    patient = {
        "resourceType": "Patient",
        "birthDate": "1970",
        "contact": [{"gender": "male"}],
        "contained": [{"resourceType": "Organization", "id": "o"}],
    }

    answer = await ask(
        client,
        "/fhir/$fhirpath",
        resource=patient,
        expression="birthDate | contact | contained | 5",
    )

    place = "http://fhir.forms-lab.com/StructureDefinition/resource-path"
    plain = "http://fhir.forms-lab.com/StructureDefinition/json-value"
    (result,) = [p for p in answer.json()["parameter"] if p["name"] == "result"]
    assert result["part"] == [
        {
            "name": "date",
            "extension": [{"url": place, "valueString": "Patient.birthDate"}],
            "valueDate": "1970",
        },
        {
            "name": "Patient.contact",
            "extension": [
                {"url": place, "valueString": "Patient.contact[0]"},
                {"url": plain, "valueString": '{"gender":"male"}'},
            ],
        },
        {
            "name": "Organization",
            "extension": [{"url": place, "valueString": "Patient.contained[0]"}],
            "resource": {"resourceType": "Organization", "id": "o"},
        },
        {"name": "integer", "valueInteger": 5},
    ]


async def test_nothing_found_is_a_result_too(client: httpx.AsyncClient) -> None:
    answer = await ask(
        client, "/fhir/$fhirpath", resource={"resourceType": "Patient"}, expression="name"
    )

    assert answer.status_code == 200
    assert answer.json()["parameter"][-1] == {"name": "result"}


async def test_resolve_reads_what_is_stored(client: httpx.AsyncClient) -> None:
    await put(client, "Organization", "top", name="Top")
    await put(client, "Organization", "o", name="Acme", partOf={"reference": "Organization/top"})
    await put(client, "Patient", "p", managingOrganization={"reference": "Organization/o"})

    one = await client.get(
        "/fhir/Patient/p/$fhirpath?expression=managingOrganization.resolve().name"
    )
    two = await client.get(
        "/fhir/Patient/p/$fhirpath",
        params={"expression": "managingOrganization.resolve().partOf.resolve().name"},
    )
    none = await client.get(
        "/fhir/Organization/o/$fhirpath?expression=endpoint.resolve() | partOf.resolve().partOf"
    )

    assert results(one.json()) == ["Acme"]
    assert results(two.json()) == ["Top"]
    assert results(none.json()) == []


async def test_resolve_finds_only_what_the_caller_may_read(
    client: httpx.AsyncClient, service: FhirService
) -> None:
    await put(client, "Organization", "o", name="Acme")
    await put(client, "Patient", "p", managingOrganization={"reference": "Organization/o"})
    few = Context(Principal("few", ("system/Patient.r",)), Origin("rest"))
    values = [("expression", "managingOrganization.resolve().name | id")]

    answer = await service.operation(few, "fhirpath", Call("Patient", "p", values), safe=True)

    assert results(answer) == ["p"]


async def test_who_may_not_read_the_type_may_not_ask(
    client: httpx.AsyncClient, service: FhirService
) -> None:
    await put(client, "Patient", "p")
    other = Context(Principal("other", ("system/Observation.r",)), Origin("rest"))
    body = parameters(resource={"resourceType": "Patient"}, expression="id")

    with pytest.raises(Forbidden):
        await service.operation(
            other, "fhirpath", Call("Patient", "p", [("expression", "id")]), safe=True
        )
    with pytest.raises(Forbidden):
        await service.operation(other, "fhirpath", Call(resource=body), safe=False)


PATIENT = {"resourceType": "Patient", "name": [{"text": "x"}]}


@pytest.mark.parametrize(
    ("url", "given", "status", "why"),
    [
        ("/fhir/$fhirpath", {"expression": "1"}, 400, "`resource` is missing"),
        ("/fhir/$fhirpath", {"resource": PATIENT}, 400, "`expression` is missing"),
        ("/fhir/$fhirpath", {"resource": PATIENT, "expression": "("}, 400, "wrong at character 2"),
        ("/fhir/$fhirpath", {"expression": "1", "resource": {"resourceType": "No"}}, 400, "`No`"),
        ("/fhir/$fhirpath", {"expresion": "1"}, 400, "has no parameter `expresion`"),
        (
            "/fhir/$fhirpath",
            {"expression": "nme", "resource": PATIENT, "validate": True},
            400,
            "no element `nme`",
        ),
        ("/fhir/$fhirpath", {"expression": "1", "resource": PATIENT, "validate": []}, 200, ""),
        (
            "/fhir/$fhirpath",
            {"expression": "1.repeat($this + 1)", "resource": PATIENT},
            400,
            "visits more than 200000 nodes",
        ),
        ("/fhir/Observation/$fhirpath", {"expression": "1", "resource": PATIENT}, 400, "expected"),
        ("/fhir/Patient/none/$fhirpath", {"expression": "1"}, 404, "was not found"),
        ("/fhir/$fhirpath", {"expression": "%a", "resource": PATIENT}, 400, "`%a` is not defined"),
        (
            "/fhir/$fhirpath",
            {"expression": "1", "resource": PATIENT, "variables": [{"value": 1}]},
            400,
            "Each part of `variables` has a `name`.",
        ),
    ],
)
async def test_what_cannot_be_answered_says_why(
    client: httpx.AsyncClient, url: str, given: dict[str, Any], status: int, why: str
) -> None:
    answer = await ask(client, url, **given)

    assert answer.status_code == status, answer.text
    if status != 200:
        assert why in diagnostics(answer)


async def test_a_fhirpath_patch_makes_a_version(client: httpx.AsyncClient) -> None:
    await put(client, "Patient", "p", birthDate="1970-01-01")
    patch = {
        "resourceType": "Parameters",
        "parameter": [
            {
                "name": "operation",
                "part": [
                    {"name": "type", "valueCode": "replace"},
                    {"name": "path", "valueString": "Patient.birthDate"},
                    {"name": "value", "valueDate": "1971-02-02"},
                ],
            }
        ],
    }

    answer = await client.patch("/fhir/Patient/p", json=patch, headers=JSON)

    assert answer.status_code == 200, answer.text
    assert answer.json()["birthDate"] == "1971-02-02"
    assert answer.json()["meta"]["versionId"] == "2"
