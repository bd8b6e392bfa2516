"""https://hl7.org/fhir/R4/http.html"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx
import pytest
import pytest_asyncio

from kernel.settings import Settings
from tests.integration.fhir.web import JSON, PATIENT, client_of, diagnostics
from tests.integration.fhir.web import issue as _issue

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fhir_server.service import FhirService
    from fhir_server.store.store import Store


@pytest_asyncio.fixture
async def client(service: FhirService, store: Store) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(service, store, max_body_bytes=20_000) as made:
        yield made


@pytest_asyncio.fixture
async def guarded(service: FhirService, store: Store) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(service, store, Settings()) as made:
        yield made


async def test_an_operation_answers_get_and_post(client: httpx.AsyncClient) -> None:
    parameters = {"resourceType": "Parameters"}

    got = await client.get("/fhir/$versions")
    posted = await client.post("/fhir/$versions", json=parameters, headers=JSON)
    bare = await client.post("/fhir/$versions")

    assert got.json() == posted.json() == bare.json()
    assert {"name": "default", "valueCode": "4.0"} in got.json()["parameter"]


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("/fhir/$nonsense", "no operation `$nonsense` on the whole system"),
        ("/fhir/Patient/$versions", "no operation `$versions` on `Patient` (type level)"),
        ("/fhir/Patient/a/$versions", "(instance level)"),
        ("/fhir/Nonsense/$versions", "is not a path"),
        ("/fhir/Patient/a/b/$versions", "is not a path"),
    ],
)
async def test_an_operation_that_is_not_there_is_not_found(
    client: httpx.AsyncClient, url: str, text: str
) -> None:
    response = await client.get(url)

    assert response.status_code == 404
    assert text in _issue(response)["diagnostics"]


async def test_a_create_says_where_the_resource_is(client: httpx.AsyncClient) -> None:
    response = await client.post("/fhir/Patient", json=PATIENT, headers=JSON)

    assert response.status_code == 201
    assert response.headers["etag"] == 'W/"1"'
    assert "last-modified" in response.headers
    read = await client.get(response.headers["location"])
    assert read.json() == response.json()
    assert read.headers["content-type"] == "application/fhir+json;charset=utf-8"


async def test_every_type_can_be_stored_read_updated_and_deleted(
    client: httpx.AsyncClient,
) -> None:
    resource = {"resourceType": "Basic", "id": "b", "code": {"text": "x"}}

    made = await client.put("/fhir/Basic/b", json=resource, headers=JSON)
    changed = await client.put(
        "/fhir/Basic/b", json=resource | {"code": {"text": "y"}}, headers=JSON
    )
    deleted = await client.delete("/fhir/Basic/b")
    gone = await client.get("/fhir/Basic/b")
    first = await client.get("/fhir/Basic/b/_history/1")
    history = await client.get("/fhir/Basic/b/_history")

    assert [r.status_code for r in (made, changed, deleted, gone)] == [201, 200, 204, 410]
    assert _issue(gone)["code"] == "deleted"
    assert first.json()["code"] == {"text": "x"}
    assert history.json()["total"] == 3


@pytest.mark.parametrize(
    ("prefer", "has"),
    [
        ("return=minimal", None),
        ("return=representation", "Patient"),
        ("return=OperationOutcome", "OperationOutcome"),
    ],
)
async def test_prefer_decides_what_comes_back(
    client: httpx.AsyncClient, prefer: str, has: str | None
) -> None:
    response = await client.post("/fhir/Patient", json=PATIENT, headers=JSON | {"prefer": prefer})

    assert response.status_code == 201
    assert (response.json()["resourceType"] if has else response.content or None) == has


async def test_what_the_client_has_is_not_sent_again(client: httpx.AsyncClient) -> None:
    made = await client.post("/fhir/Patient", json=PATIENT, headers=JSON)
    url = f"/fhir/Patient/{made.json()['id']}"

    by_tag = await client.get(url, headers={"if-none-match": 'W/"1"'})
    by_time = await client.get(url, headers={"if-modified-since": made.headers["last-modified"]})
    other = await client.get(url, headers={"if-none-match": 'W/"2"'})

    assert [by_tag.status_code, by_time.status_code, other.status_code] == [304, 304, 200]
    assert by_tag.content == b""


async def test_if_match_guards_an_update(client: httpx.AsyncClient) -> None:
    body = PATIENT | {"id": "a"}
    await client.put("/fhir/Patient/a", json=body, headers=JSON)

    stale = await client.put(
        "/fhir/Patient/a", json=body | {"active": True}, headers=JSON | {"if-match": 'W/"7"'}
    )
    right = await client.put(
        "/fhir/Patient/a", json=body | {"active": True}, headers=JSON | {"if-match": 'W/"1"'}
    )

    assert (stale.status_code, right.status_code) == (412, 200)


async def test_if_none_match_creates_only(client: httpx.AsyncClient) -> None:
    headers = JSON | {"if-none-match": "*"}

    first = await client.put("/fhir/Patient/a", json=PATIENT | {"id": "a"}, headers=headers)
    second = await client.put("/fhir/Patient/a", json=PATIENT | {"id": "a"}, headers=headers)

    assert (first.status_code, second.status_code) == (201, 412)


async def test_to_delete_again_is_a_success(client: httpx.AsyncClient) -> None:
    answers = [await client.delete("/fhir/Patient/none") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [204, 204]
    assert "etag" not in answers[0].headers


async def test_search_by_get_and_by_form_are_the_same(client: httpx.AsyncClient) -> None:
    await client.post("/fhir/Patient", json=PATIENT, headers=JSON)

    by_get = (await client.get("/fhir/Patient", params={"name": "doe"})).json()
    by_form = (await client.post("/fhir/Patient/_search", data={"name": "doe"})).json()

    assert len(by_get["entry"]) == 1
    assert by_get["entry"] == by_form["entry"]


async def test_a_transaction_is_posted_to_the_base(client: httpx.AsyncClient) -> None:
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [{"resource": PATIENT, "request": {"method": "POST", "url": "Patient"}}],
    }

    for url in ("/fhir", "/fhir/"):
        response = await client.post(url, json=bundle, headers=JSON, follow_redirects=True)
        assert response.status_code == 200
        assert response.json()["entry"][0]["response"]["status"] == "201 Created"


async def test_head_has_the_headers_of_get(client: httpx.AsyncClient) -> None:
    await client.put("/fhir/Patient/a", json=PATIENT | {"id": "a"}, headers=JSON)

    head = await client.head("/fhir/Patient/a")

    assert head.content == b""
    assert int(head.headers["content-length"]) > 0


@pytest.mark.parametrize(
    ("method", "url", "body", "headers", "status", "text"),
    [
        ("GET", "/fhir/Nonsense", b"", {}, 404, "`Nonsense` is not a resource type"),
        ("GET", "/fhir/Patient/a/b/c/d", b"", {}, 404, "is not a path"),
        ("GET", "/fhir/Patient/a?name=x", b"", {}, 400, "not a parameter of a read"),
        ("GET", "/fhir/Patient?nme=x", b"", {}, 400, "`nme`"),
        ("GET", "/fhir/Patient/a/_history/x", b"", {}, 404, "is not a version"),
        ("GET", "/fhir/Patient/%F0%28", b"", {}, 400, "is not an id"),
        ("PATCH", "/fhir/Patient/a", b"", JSON, 400, "empty"),
        ("PATCH", "/fhir/Patient/a?name=x", b"[]", JSON, 400, "`name` is not a parameter"),
        ("PUT", "/fhir/Patient/a?name=x", b"{}", JSON, 400, "`name` is not a parameter"),
        ("DELETE", "/fhir/Patient/a?_cascade=delete", b"", {}, 400, "`_cascade` is not a"),
        ("PATCH", "/fhir/Patient/a", b"[]", {"content-type": "text/plain"}, 415, "text/plain"),
        ("PATCH", "/fhir/Patient", b"[]", JSON, 405, "A PATCH goes to"),
        ("DELETE", "/fhir/Patient", b"", {}, 405, "A DELETE goes to"),
        ("DELETE", "/fhir/Patient?_format=json", b"", {}, 405, "A DELETE goes to"),
        ("DELETE", "/fhir", b"", {}, 405, "GET, HEAD, POST is"),
        ("GET", "/fhir/Patient/_search", b"", {}, 405, "POST is"),
        ("OPTIONS", "/fhir/Patient", b"", {}, 405, "GET, HEAD, POST, PUT, PATCH, DELETE is"),
        ("POST", "/fhir/metadata", b"{}", JSON, 405, "GET, HEAD is"),
        ("PUT", "/fhir/_async/a", b"{}", JSON, 405, "GET, HEAD, DELETE is"),
        ("GET", "/fhir/_nonsense", b"", {}, 404, "is not a path"),
        ("GET", "/fhir/Patient//a", b"", {}, 404, "is not a path"),
        ("GET", "/fhir//Patient", b"", {}, 404, "not a path"),
        ("GET", "/fhir/Patient/a//", b"", {}, 404, "is not a path"),
        ("GET", "/fhir/Patient/a%2Fb", b"", {}, 400, "`a/b` is not an id"),
        ("GET", "/fhir/Patient/a%252Fb", b"", {}, 400, "`a%2Fb` is not an id"),
        ("GET", "/fhir/Patient/%00", b"", {}, 400, "is not an id"),
        ("GET", "/fhir/Patient/" + "a" * 65, b"", {}, 400, "is not an id"),
        ("GET", "/fhir/Patient/a/_history/0", b"", {}, 404, "is not a version"),
        ("GET", "/fhir/Patient/a/_history/99999999999", b"", {}, 404, "is not a version"),
        ("GET", "/fhir/Observation/a/Patient", b"", {}, 404, "`Observation` has no compartment"),
        ("GET", "/fhir/Patient/a/Nonsense", b"", {}, 404, "is not a path"),
        ("GET", "/fhir/Patient/%0A/Observation", b"", {}, 400, "is not an id"),
        ("GET", "/fhir/Patient?identifier=%00", b"", {}, 400, "identifier"),
        ("GET", "/fhir/Patient?identifier=%FF", b"", {}, 400, "percent-encoded"),
        ("GET", "/fhir/Patient?" + "&" * 2000, b"", {}, 400, "percent-encoded"),
        ("GET", "/fhir/Patient?name=" + "x" * 60_000, b"", {}, 400, "60000 characters"),
        ("POST", "/fhir/Patient", b"{", JSON, 400, "not one JSON object"),
        ("POST", "/fhir/Patient", b"", JSON, 400, "empty"),
        ("POST", "/fhir/Patient", b"""{"id":"\xff"}""", JSON, 400, "UTF-8"),
        ("POST", "/fhir/Patient", b"[]", JSON, 400, "object"),
        ("POST", "/fhir/Patient", b"[" * 9000, JSON, 400, ""),
        ("POST", "/fhir/Patient", b'{"resourceType":"Patient","nme":1}', JSON, 400, "nme"),
        ("POST", "/fhir/Patient", b'{"resourceType":"Patient","active":"x"}', JSON, 400, "boolean"),
        ("POST", "/fhir/Patient", b"{}", JSON, 400, "`resourceType` is missing"),
        ("POST", "/fhir/Patient", b"a" * 20_001, JSON, 413, "longer than 20000 bytes"),
        ("POST", "/fhir/Patient", b"<a/>", {"content-type": "application/fhir+xml"}, 415, "xml"),
        ("GET", "/fhir/Patient", b"", {"accept": "application/fhir+xml"}, 406, "json"),
        ("GET", "/fhir/Patient?_format=xml", b"", {}, 406, "json"),
        ("PUT", "/fhir/Patient", b"{}", JSON, 405, "goes to"),
    ],
)
async def test_a_refusal_says_what_was_wrong(
    client: httpx.AsyncClient,
    method: str,
    url: str,
    body: bytes,
    headers: dict[str, str],
    status: int,
    text: str,
) -> None:
    response = await client.request(method, url, content=body, headers=headers)

    assert response.status_code == status
    assert text in diagnostics(response)
    assert response.headers["x-request-id"]
    assert ("allow" in response.headers) == (status == 405)


async def test_a_body_without_length_is_bounded_too(client: httpx.AsyncClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 1000

    response = await client.post("/fhir/Patient", content=endless(), headers=JSON)

    assert response.status_code == 413


async def test_without_a_token_nothing_but_metadata_is_told(guarded: httpx.AsyncClient) -> None:
    refused = await guarded.get("/fhir/Patient")
    wrong = await guarded.get("/fhir/Patient", headers={"authorization": "Bearer nonsense"})
    metadata = await guarded.get("/fhir/metadata")

    assert (refused.status_code, wrong.status_code, metadata.status_code) == (401, 401, 200)
    assert _issue(refused)["code"] == "login"
    assert refused.headers["www-authenticate"].startswith("Bearer")


async def test_how_to_get_a_token_is_public(guarded: httpx.AsyncClient) -> None:
    answer = await guarded.get("/fhir/.well-known/smart-configuration")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["token_endpoint"] == "http://h/auth/token"
    assert answer.json()["grant_types_supported"] == ["client_credentials"]


async def test_a_client_gets_a_token_for_its_scopes(
    guarded: httpx.AsyncClient, store: Store
) -> None:
    id, secret = await store.accounts.add_client("app", ("system/Patient.rs",))
    form = {"grant_type": "client_credentials", "scope": "system/Patient.r system/*.cruds"}

    answer = await guarded.post("/auth/token", data=form, auth=(id, secret))

    assert answer.status_code == 200
    assert answer.json()["scope"] == "system/Patient.r"
    assert answer.headers["cache-control"] == "no-store"
    bearer = {"authorization": f"Bearer {answer.json()['access_token']}"}
    assert (await guarded.get("/fhir/Patient/none", headers=bearer)).status_code == 404
    assert (await guarded.get("/fhir/Patient", headers=bearer)).status_code == 403
    assert (await guarded.get("/fhir/Encounter/e", headers=bearer)).status_code == 403


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({}, 400, "unsupported_grant_type"),
        ({"grant_type": "client_credentials", "client_id": "x"}, 401, "invalid_client"),
    ],
)
async def test_the_token_endpoint_speaks_oauth_errors(
    guarded: httpx.AsyncClient, form: dict[str, str], status: int, error: str
) -> None:
    answer = await guarded.post("/auth/token", data=form)

    assert answer.status_code == status
    assert answer.json()["error"] == error


async def test_scopes_that_are_not_the_clients_are_refused(
    guarded: httpx.AsyncClient, store: Store
) -> None:
    id, secret = await store.accounts.add_client("app", ("system/Patient.rs",))
    form = {"grant_type": "client_credentials", "scope": "system/Encounter.rs"}

    answer = await guarded.post("/auth/token", data=form, auth=(id, secret))

    assert answer.json()["error"] == "invalid_scope"


async def test_the_openapi_document_describes_fhir_too(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()

    assert document["openapi"] == "3.0.3"
    assert document["paths"]["/fhir/{type}/{id}"].keys() >= {"get", "put", "patch", "delete"}
    assert "/auth/token" in document["paths"]
    assert '"null"' not in json.dumps(document), "OpenAPI 3.0 has no type `null`"
    docs = await client.get("/docs")
    assert "https://" not in docs.text
    assert (await client.get("/docs/assets/swagger-ui.css")).status_code == 200
