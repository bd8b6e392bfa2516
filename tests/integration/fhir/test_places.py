"""Every method at every place of the API. https://hl7.org/fhir/R4/http.html#summary"""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
import pytest_asyncio

from fhir_server.http import routes
from fhir_server.http.request import segments
from tests.integration.fhir.web import JSON, PATIENT, client_of, diagnostics, put
from tests.integration.fhir.web import issue as _issue

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fhir_server.service import FhirService
    from fhir_server.store.store import Store


@pytest_asyncio.fixture
async def client(service: FhirService, store: Store) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(service, store, max_body_bytes=20_000) as made:
        yield made


async def test_every_place_of_the_api_is_in_the_openapi_document(client: httpx.AsyncClient) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    values = {
        "type": "Patient",
        "id": "a",
        "version": "1",
        "operation": "versions",
        "compartment": "Patient",
        "job": "a",
    }

    for path, methods in paths.items():
        if not path.startswith("/fhir") or path == "/fhir/metadata" or "well-known" in path:
            continue
        there = routes.place(segments(path.format(**values).removeprefix("/fhir").strip("/")))
        described = {name.upper() for name in methods if name != "parameters"}
        assert described | {"HEAD"} >= set(there.allowed), path
        assert described <= set(there.allowed), path


async def test_a_patch_changes_a_part(client: httpx.AsyncClient) -> None:
    await put(client, "Patient", "a", gender="other")
    headers = {"content-type": "application/json-patch+json", "if-match": 'W/"7", W/"1"'}
    change = [{"op": "replace", "path": "/gender", "value": "female"}]

    patched = await client.patch("/fhir/Patient/a", json=change, headers=headers)
    stale = await client.patch("/fhir/Patient/a", json=change, headers=headers)

    assert (patched.status_code, patched.json()["gender"]) == (200, "female")
    assert patched.headers["etag"] == 'W/"2"'
    assert patched.headers["content-location"] == "http://h/fhir/Patient/a/_history/2"
    assert stale.status_code == 412


async def test_a_patch_of_an_unknown_kind_says_which_are_known(client: httpx.AsyncClient) -> None:
    await put(client, "Patient", "a")

    refused = await client.patch(
        "/fhir/Patient/a", content=b"<a/>", headers={"content-type": "application/xml-patch+xml"}
    )

    assert refused.status_code == 415
    assert "application/json-patch+json" in refused.headers["accept-patch"]


async def test_criteria_select_what_is_patched_and_deleted(client: httpx.AsyncClient) -> None:
    await put(client, "Patient", "a", gender="other")
    await put(client, "Patient", "b", gender="female")
    headers = {"content-type": "application/json-patch+json"}
    change = [{"op": "add", "path": "/active", "value": True}]

    patched = await client.patch("/fhir/Patient?gender=other", json=change, headers=headers)
    deleted = await client.delete("/fhir/Patient?gender=other,female")
    nothing = await client.delete(
        "/fhir/Patient?gender=male", headers={"prefer": "return=OperationOutcome"}
    )

    assert (patched.status_code, patched.json()["id"]) == (200, "a")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert nothing.status_code == 200
    assert "0 resources" in diagnostics(nothing)
    gone = [await client.get(f"/fhir/Patient/{id}") for id in "ab"]
    assert [answer.status_code for answer in gone] == [410, 410]


async def test_a_history_can_be_removed(client: httpx.AsyncClient) -> None:
    for gender in ("other", "male", "female"):
        await put(client, "Patient", "a", gender=gender)

    removed = await client.delete("/fhir/Patient/a/_history")
    history = await client.get("/fhir/Patient/a/_history")

    assert (removed.status_code, removed.content) == (204, b"")
    assert [entry["resource"]["gender"] for entry in history.json()["entry"]] == ["female"]
    assert history.json()["total"] == 1


async def test_the_system_is_searched_by_get_and_by_form(client: httpx.AsyncClient) -> None:
    await put(client, "Patient", "a")
    await put(client, "Basic", "b", code={"text": "x"})

    by_get = await client.get("/fhir", params={"_type": "Patient,Basic"})
    by_form = await client.post("/fhir/_search", data={"_type": "Basic"})

    assert {entry["resource"]["id"] for entry in by_get.json()["entry"]} == {"a", "b"}
    assert [entry["resource"]["id"] for entry in by_form.json()["entry"]] == ["b"]
    assert "last-modified" in by_get.headers


async def test_a_compartment_is_searched_by_type_and_as_a_whole(client: httpx.AsyncClient) -> None:
    for id in ("a", "b"):
        await put(client, "Patient", id)
        subject = {"reference": f"Patient/{id}"}
        await put(client, "Condition", f"c-{id}", subject=subject)
        await put(client, "Flag", f"f-{id}", status="active", code={"text": "x"}, subject=subject)

    one = await client.get("/fhir/Patient/a/Condition")
    form = await client.post("/fhir/Patient/a/Flag/_search", data={"subject": "Patient/a"})
    whole = await client.get("/fhir/Patient/a/*")

    assert [entry["resource"]["id"] for entry in one.json()["entry"]] == ["c-a"]
    assert [entry["resource"]["id"] for entry in form.json()["entry"]] == ["f-a"]
    assert {entry["resource"]["id"] for entry in whole.json()["entry"]} >= {"c-a", "f-a"}
    assert not any("-b" in entry["resource"]["id"] for entry in whole.json()["entry"])


async def test_an_update_takes_a_list_of_versions_or_any(client: httpx.AsyncClient) -> None:
    await put(client, "Patient", "a")
    body = {"resourceType": "Patient", "id": "a"}

    answers = [
        await client.put(
            "/fhir/Patient/a",
            json=body | {"multipleBirthInteger": number},
            headers=JSON | {"if-match": tag},
        )
        for number, tag in enumerate(['W/"9", W/"1"', "*", 'W/"1","8"', "nonsense"])
    ]
    absent = await client.put(
        "/fhir/Patient/none", json=body | {"id": "none"}, headers=JSON | {"if-match": "*"}
    )

    assert [answer.status_code for answer in answers] == [200, 200, 412, 400]
    assert absent.status_code == 412


async def test_a_write_says_where_its_version_is(client: httpx.AsyncClient) -> None:
    created = await client.post("/fhir/Patient", json=PATIENT, headers=JSON)
    url = created.headers["location"].rpartition("/_history")[0]
    body = created.json() | {"active": True}

    updated = await client.put(url, json=body, headers=JSON)
    deleted = await client.delete(url, headers={"prefer": "return=OperationOutcome"})

    assert created.headers["location"] == f"{url}/_history/1"
    assert updated.headers["content-location"] == f"{url}/_history/2"
    assert "location" not in updated.headers
    assert deleted.status_code == 200
    assert deleted.headers["etag"] == 'W/"3"'
    assert "is deleted" in _issue(deleted)["diagnostics"]


@pytest.mark.parametrize("prefer", ["return=minimal", "return=representation"])
async def test_who_writes_by_criteria_learns_which_resource_that_was(
    client: httpx.AsyncClient, prefer: str
) -> None:
    await put(client, "Patient", "a", gender="other")
    headers = JSON | {"prefer": prefer}

    created = await client.post(
        "/fhir/Patient", json=PATIENT, headers=headers | {"if-none-exist": "_id=a"}
    )
    updated = await client.put("/fhir/Patient?_id=a", json=PATIENT, headers=headers)

    assert [answer.status_code for answer in (created, updated)] == [200, 200]
    assert created.headers["location"] == "http://h/fhir/Patient/a/_history/1"
    assert updated.headers["location"] == "http://h/fhir/Patient/a/_history/2"


async def test_a_condition_without_criteria_is_refused(client: httpx.AsyncClient) -> None:
    refused = await client.post("/fhir/Patient", json=PATIENT, headers=JSON | {"if-none-exist": ""})

    assert refused.status_code == 400
    assert "no search parameter" in diagnostics(refused)


async def test_a_read_gives_the_part_that_is_asked_for(client: httpx.AsyncClient) -> None:
    await put(client, "Patient", "a", gender="other", birthDate="1990-01-02")

    part = await client.get("/fhir/Patient/a?_elements=gender")
    old = await client.get("/fhir/Patient/a/_history/1?_summary=true&_format=json")
    unknown = await client.get("/fhir/Patient/a?_elements=nme")
    lenient = await client.get("/fhir/Patient/a?x=y", headers={"prefer": "handling=lenient"})
    count = await client.get("/fhir/Patient/a?_summary=count")

    assert part.json().keys() == {"resourceType", "id", "meta", "gender"}
    assert part.headers["etag"] == 'W/"1"'
    assert old.json()["meta"]["tag"][0]["code"] == "SUBSETTED"
    assert [unknown.status_code, lenient.status_code, count.status_code] == [400, 200, 400]


async def test_pretty_is_readable(client: httpx.AsyncClient) -> None:
    await put(client, "Patient", "a")

    answer = await client.get("/fhir/Patient/a?_pretty=true")

    assert answer.text.startswith('{\n  "resourceType": "Patient",')
    assert int(answer.headers["content-length"]) == len(answer.content)


async def test_a_request_id_comes_back_from_everywhere(client: httpx.AsyncClient) -> None:
    headers = {"x-request-id": "trace-7"}

    answers = [await client.get(url, headers=headers) for url in ("/fhir/Patient", "/docs", "/x")]
    made = await client.get("/docs")

    assert [answer.headers["x-request-id"] for answer in answers] == ["trace-7"] * 3
    assert len(made.headers["x-request-id"]) == 32


@pytest.mark.parametrize(
    "path",
    [
        "/fhir/%66oo",
        "/fhir/\u2028",
        "/fhir/..%2f..",
        "/fhir/$",
        "/fhir/$/",
        "/fhir/Patient/$$",
        "/fhir/?",
        "/fhir/%",
        "/fhir/Patient/%zz",
        "/fhir/Patient/a/_history/%31",
        "/fhir/_async/",
        "/fhir/_async/..",
        "/fhir/*",
        "/fhir/Patient/*/*",
        "/%66hir/Patient",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "FOO", "OPTIONS"])
async def test_an_odd_path_is_never_a_fault_of_the_server(
    client: httpx.AsyncClient, method: str, path: str
) -> None:
    response = await client.request(method, path, content=b"{}", headers=JSON)

    assert response.status_code < 500
    if response.status_code >= 400:
        assert _issue(response)["diagnostics"]
