"""https://hl7.org/fhir/R4/http.html#capabilities"""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest
import pytest_asyncio

from fhir_server.http.system import Statements
from fhir_server.operations.operation import operations
from fhir_server.search.parameters import supported
from fhir_server.service import FhirService
from fhir_server.store import reindex
from fhir_server.tables import RESOURCE_TYPES
from fhir_server.validation import validate
from kernel.settings import Fhir
from tests.integration.fhir.web import client_of, diagnostics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fhir_server.store.store import Store


@pytest_asyncio.fixture
async def client(service: FhirService, store: Store) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(service, store) as made:
        yield made


@pytest_asyncio.fixture
async def statement(client: httpx.AsyncClient) -> Any:
    return (await client.get("/fhir/metadata")).json()


def resource(statement: Any, type: str) -> Any:
    return next(row for row in statement["rest"][0]["resource"] if row["type"] == type)


async def test_the_statement_is_a_valid_resource(statement: Any) -> None:
    validate(statement, "CapabilityStatement")


async def test_it_says_which_server_speaks_what(statement: Any) -> None:
    assert statement["fhirVersion"] == "4.0.1"
    assert statement["implementation"]["url"] == "http://h/fhir"
    assert statement["format"] == ["application/fhir+json", "json"]
    assert "application/json-patch+json" in statement["patchFormat"]


async def test_every_type_has_its_interactions(statement: Any) -> None:
    rows = statement["rest"][0]["resource"]

    assert {row["type"] for row in rows} == RESOURCE_TYPES
    for row in rows:
        codes = {one["code"] for one in row["interaction"]}
        assert codes == {
            "read", "vread", "create", "update", "patch", "delete",
            "history-instance", "history-type", "search-type",
        }  # fmt: skip
        assert (row["versioning"], row["updateCreate"]) == ("versioned-update", True)
        assert row["conditionalDelete"] == "multiple"


async def test_the_system_has_its_own(statement: Any) -> None:
    rest = statement["rest"][0]

    assert {one["code"] for one in rest["interaction"]} == {
        "transaction", "batch", "search-system", "history-system",
    }  # fmt: skip
    assert sorted(rest["compartment"]) == [
        f"http://hl7.org/fhir/CompartmentDefinition/{name}"
        for name in ("device", "encounter", "patient", "practitioner", "relatedperson")
    ]
    assert rest["security"]["cors"] is True
    assert "service" not in rest["security"]  # in mode `open` nobody is asked for a token
    assert "_lastUpdated" in {row["name"] for row in rest["searchParam"]}


async def test_every_parameter_says_what_it_takes(statement: Any) -> None:
    patient = {row["name"]: row for row in resource(statement, "Patient")["searchParam"]}
    observation = {row["name"]: row for row in resource(statement, "Observation")["searchParam"]}

    assert set(patient) >= {name for name, _, _ in supported("Patient")}
    assert patient["identifier"]["type"] == "token"
    assert patient["identifier"]["definition"].startswith("http://hl7.org/fhir/SearchParameter/")
    assert ":exact" in patient["family"]["documentation"]
    assert "Prefixes: eq ne" in patient["birthdate"]["documentation"]
    assert "Refers to: " in observation["subject"]["documentation"]
    assert all(row["documentation"] for row in observation.values())


async def test_links_can_be_followed_in_both_directions(statement: Any) -> None:
    assert "Observation:subject" in resource(statement, "Observation")["searchInclude"]
    reverse = resource(statement, "Patient")["searchRevInclude"]
    assert {"Observation:subject", "Provenance:target"} <= set(reverse)
    assert "Observation:encounter" not in reverse


async def test_every_operation_is_where_it_is_offered(statement: Any) -> None:
    rest = statement["rest"][0]
    system = {row["name"] for row in rest.get("operation", ())}

    for operation in operations().values():
        assert ("system" in operation.levels) == (operation.name in system)
        for row in rest["resource"]:
            there = operation.name in {one["name"] for one in row.get("operation", ())}
            offered = not operation.types or row["type"] in operation.types
            assert there == (offered and bool(operation.levels - {"system"}))


async def test_single_deletes_only_are_told(store: Store) -> None:
    service = FhirService(store, Fhir(max_conditional_delete=0))

    statement = service.capabilities("http://h/fhir")

    assert resource(statement, "Patient")["conditionalDelete"] == "single"


async def test_the_normative_part_can_be_asked_for(client: httpx.AsyncClient) -> None:
    part = (await client.get("/fhir/metadata?mode=normative")).json()

    types = {row["type"] for row in part["rest"][0]["resource"]}
    assert {"Patient", "Observation", "Bundle"} <= types
    assert "Encounter" not in types


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("mode=terminology", "no terminology service"),
        ("mode=x", "`mode` is"),
        ("x=y", "`x` is not a parameter"),
        ("_elements=nme", "nme"),
    ],
)
async def test_what_it_does_not_take_is_refused(
    client: httpx.AsyncClient, query: str, text: str
) -> None:
    answer = await client.get(f"/fhir/metadata?{query}")

    assert answer.status_code == 400
    assert text in diagnostics(answer)


async def test_it_is_not_sent_again_to_whoever_has_it(client: httpx.AsyncClient) -> None:
    first = await client.get("/fhir/metadata")

    again = await client.get("/fhir/metadata", headers={"if-none-match": first.headers["etag"]})
    other = await client.get("/fhir/metadata", headers={"host": "other"})

    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert other.json()["implementation"]["url"] == "http://other/fhir"
    assert other.headers["etag"] != first.headers["etag"]


async def test_many_addresses_make_no_work_and_no_growth(
    service: FhirService, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements = Statements(service, guarded=True)
    made: list[str] = []
    original = service.capabilities

    def counted(base: str, *rest: Any) -> Any:
        made.append(base)
        return original(base, *rest)

    monkeypatch.setattr(service, "capabilities", counted)
    bodies = {(await statements.get(f"http://h{n}/fhir", "full"))[0] for n in range(6)}

    assert (len(bodies), len(made)) == (6, 1)
    assert not any(b"base.invalid" in body for body in bodies)


async def test_it_is_sent_compressed(client: httpx.AsyncClient) -> None:
    async with client.stream("GET", "/fhir/metadata") as answer:
        raw = b"".join([part async for part in answer.aiter_raw()])
    head = await client.head("/fhir/metadata")
    pretty = await client.get("/fhir/metadata?_pretty=true")

    assert answer.headers["content-encoding"] == "gzip"
    assert len(gzip.decompress(raw)) > 5 * len(raw)
    assert head.headers["content-length"] == str(len(raw))
    assert pretty.text.startswith('{\n  "resourceType": "CapabilityStatement"')


async def test_a_parameter_made_over_rest_is_there_once_it_serves(
    client: httpx.AsyncClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reindex, "SETTLE_S", 0.0)
    made = {
        "resourceType": "SearchParameter",
        "id": "mine",
        "url": "http://example.org/SearchParameter/mine",
        "name": "Mine",
        "status": "active",
        "description": "Mine",
        "code": "mine",
        "base": ["Patient"],
        "type": "string",
        "expression": "Patient.name.text",
    }
    await client.get("/fhir/metadata")

    await client.put("/fhir/SearchParameter/mine", json=made)
    store.customs.forget()
    building = (await client.get("/fhir/metadata")).json()
    for type in await store.reindex.pending():
        async for _ in store.reindex.build(type):
            pass
    store.customs.forget()
    serving = (await client.get("/fhir/metadata")).json()

    names = [
        {row["name"] for row in resource(statement, "Patient")["searchParam"]}
        for statement in (building, serving)
    ]
    assert ["mine" in one for one in names] == [False, True]


async def test_a_part_of_it_can_be_asked_for(client: httpx.AsyncClient) -> None:
    part = (await client.get("/fhir/metadata?_elements=fhirVersion,software")).json()

    assert part["fhirVersion"] == "4.0.1"
    assert "rest" not in part


async def test_a_guarded_server_says_where_tokens_are_had(service: FhirService) -> None:
    body, _, _ = await Statements(service, guarded=True).get("http://h/fhir", "full")

    security = msgspec.json.decode(body)["rest"][0]["security"]
    [token] = security["extension"][0]["extension"]
    assert token == {"url": "token", "valueUri": "http://h/auth/token"}
    assert security["service"][0]["coding"][0]["code"] == "SMART-on-FHIR"
