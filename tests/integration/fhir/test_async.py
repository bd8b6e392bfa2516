"""https://hl7.org/fhir/R4/async.html and https://hl7.org/fhir/R5/async-bundle.html"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest
import pytest_asyncio

from fhir_server.http.app import create_app
from fhir_server.interactions import asynchronous
from fhir_server.interactions.asynchronous import Answer
from fhir_server.model import EVERYTHING, Context, Origin, Principal
from fhir_server.service import FhirService
from fhir_server.store import jobs
from kernel.errors import NotFound, TooMany
from kernel.settings import Auth, Fhir, Settings
from tests.integration.fhir.web import JSON, PATIENT, client_of, diagnostics, issue, put

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fhir_server.store.jobs import Job
    from fhir_server.store.store import Store

LATER = {"prefer": "respond-async"}
DEADLINE_S = 20.0


@pytest_asyncio.fixture
async def client(service: FhirService, store: Store) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(service, store) as made:
        yield made


def place(answer: httpx.Response) -> str:
    """Return where the answer will be."""
    assert answer.status_code == 202, answer.text
    return urlsplit(answer.headers["content-location"]).path


async def finished(client: httpx.AsyncClient, url: str, **headers: str) -> httpx.Response:
    """Ask until there is an answer."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        answer = await client.get(url, headers=headers)
        if answer.status_code != 202 or time.monotonic() > deadline:
            return answer
        assert answer.headers["x-progress"]
        assert int(answer.headers["retry-after"]) > 0
        await asyncio.sleep(0.01)


async def settled(service: FhirService, ctx: Context, id: str) -> Job:
    deadline = time.monotonic() + DEADLINE_S
    while True:
        job = await service.job(ctx, id)
        if job.state != "running" or time.monotonic() > deadline:
            return job
        await asyncio.sleep(0.01)


async def at_once() -> Answer:
    return Answer(200, b'{"resourceType":"Basic"}')


async def never() -> Answer:
    await asyncio.Event().wait()
    raise AssertionError


async def test_a_search_is_answered_later(client: httpx.AsyncClient) -> None:
    await put(client, "Patient", "a")

    asked = await client.get("/fhir/Patient?_id=a", headers=LATER)
    answer = await finished(client, place(asked))

    assert asked.headers["preference-applied"] == "respond-async"
    assert asked.headers["content-location"].startswith("http://h/fhir/_async/")
    assert answer.status_code == 200
    assert "expires" in answer.headers
    bundle = answer.json()
    assert bundle["type"] == "batch-response"
    assert bundle["link"] == [{"relation": "self", "url": "http://h/fhir/Patient?_id=a"}]
    [entry] = bundle["entry"]
    assert entry["response"]["status"] == "200 OK"
    assert entry["resource"]["type"] == "searchset"
    assert entry["resource"]["entry"][0]["resource"]["id"] == "a"


@pytest.mark.parametrize(
    ("method", "url", "body", "kind"),
    [
        ("GET", "/fhir?_type=Patient", None, "searchset"),
        ("GET", "/fhir/_history", None, "history"),
        ("GET", "/fhir/Patient/_history", None, "history"),
        ("GET", "/fhir/Patient/a/_history", None, "history"),
        ("GET", "/fhir/Patient/a/Condition", None, "searchset"),
        ("GET", "/fhir/$versions", None, None),
        ("POST", "/fhir/$versions", {"resourceType": "Parameters"}, None),
        ("POST", "/fhir", {"resourceType": "Bundle", "type": "batch"}, "batch-response"),
        (
            "POST",
            "/fhir",
            {"resourceType": "Bundle", "type": "transaction"},
            "transaction-response",
        ),
    ],
)
async def test_what_may_take_long_can_be_answered_later(
    client: httpx.AsyncClient, method: str, url: str, body: Any, kind: str | None
) -> None:
    await put(client, "Patient", "a")

    asked = await client.request(method, url, json=body, headers=JSON | LATER)
    [entry] = (await finished(client, place(asked))).json()["entry"]

    assert entry["response"]["status"] == "200 OK"
    assert entry["resource"].get("type") == kind


async def test_a_form_can_be_answered_later(client: httpx.AsyncClient) -> None:
    await put(client, "Patient", "a")

    asked = await client.post("/fhir/Patient/_search", data={"_id": "a"}, headers=LATER)
    [entry] = (await finished(client, place(asked))).json()["entry"]

    assert entry["resource"]["entry"][0]["resource"]["id"] == "a"


async def test_a_transaction_that_is_answered_later_is_carried_out(
    client: httpx.AsyncClient,
) -> None:
    entry = {"resource": PATIENT, "request": {"method": "POST", "url": "Patient"}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry] * 3}

    asked = await client.post("/fhir", json=bundle, headers=JSON | LATER)
    answer = (await finished(client, place(asked))).json()["entry"][0]["resource"]

    assert [one["response"]["status"] for one in answer["entry"]] == ["201 Created"] * 3
    for one in answer["entry"]:
        url = urlsplit(one["response"]["location"]).path.removeprefix("/fhir/")
        assert (await client.get(f"/fhir/{url}")).status_code == 200


async def test_what_is_short_is_answered_now(client: httpx.AsyncClient) -> None:
    created = await client.post("/fhir/Patient", json=PATIENT, headers=JSON | LATER)
    read = await client.get(f"/fhir/Patient/{created.json()['id']}", headers=LATER)
    nowhere = await client.get("/fhir/Nonsense", headers=LATER)

    assert [created.status_code, read.status_code, nowhere.status_code] == [201, 200, 404]


async def test_a_refusal_is_an_answer_too(client: httpx.AsyncClient) -> None:
    asked = await client.get("/fhir/Patient?nme=x", headers=LATER)
    answer = await finished(client, place(asked))

    [entry] = answer.json()["entry"]
    assert answer.status_code == 200
    assert entry["response"]["status"] == "400 Bad Request"
    assert "nme" in entry["response"]["outcome"]["issue"][0]["diagnostics"]
    assert "resource" not in entry


async def test_an_answer_can_be_removed(client: httpx.AsyncClient, store: Store) -> None:
    url = place(await client.get("/fhir/Patient", headers=LATER))
    await finished(client, url)

    removed = await client.delete(url)
    after = [await client.get(url), await client.delete(url)]

    assert removed.status_code == 202
    assert [answer.status_code for answer in after] == [404, 404]
    assert await store.collections.job_parts.count_documents({}) == 0


async def test_a_job_that_runs_can_be_cancelled(
    service: FhirService, client: httpx.AsyncClient, ctx: Context
) -> None:
    stopped = asyncio.Event()

    async def work() -> Answer:
        try:
            return await never()
        finally:
            stopped.set()

    id = await service.start_job(ctx, "url", work)
    running = await client.get(f"/fhir/_async/{id}")

    cancelled = await client.delete(f"/fhir/_async/{id}")

    assert running.status_code == 202
    assert running.headers["x-progress"].startswith("running for")
    assert cancelled.status_code == 202
    await asyncio.wait_for(stopped.wait(), DEADLINE_S)
    assert (await client.get(f"/fhir/_async/{id}")).status_code == 404


async def test_another_process_can_cancel_it(
    service: FhirService, store: Store, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asynchronous, "MARK_S", 0.01)
    stopped = asyncio.Event()

    async def work() -> Answer:
        try:
            return await never()
        finally:
            stopped.set()

    id = await service.start_job(ctx, "url", work)

    await FhirService(store, Fhir()).cancel_job(ctx, id)

    await asyncio.wait_for(stopped.wait(), DEADLINE_S)


async def test_only_a_few_run_at_once(store: Store, ctx: Context) -> None:
    service = FhirService(store, Fhir(max_jobs=2))
    ids = [await service.start_job(ctx, "url", never) for _ in range(2)]

    with pytest.raises(TooMany, match="2 requests"):
        await service.start_job(ctx, "url", never)
    async with client_of(service, store) as client:
        refused = await client.get("/fhir/Patient", headers=LATER)
    await service.cancel_job(ctx, ids[0])
    later = await service.start_job(ctx, "url", at_once)

    assert (refused.status_code, issue(refused)["code"]) == (429, "throttled")
    assert int(refused.headers["retry-after"]) > 0
    assert (await settled(service, ctx, later)).state == "done"
    await service.close()


async def test_a_job_whose_process_died_has_failed(
    service: FhirService, store: Store, client: httpx.AsyncClient, ctx: Context
) -> None:
    long_ago = datetime.now(UTC) - 2 * jobs.DEAD
    lost = jobs.Job(
        "lost", "someone", None, (), "url", long_ago, datetime.now(UTC) + timedelta(hours=1)
    )
    await store.jobs.add(lost)

    answer = await client.get("/fhir/_async/lost")

    assert answer.status_code == 500
    assert "process" in diagnostics(answer)
    assert (await service.job(ctx, "lost")).state == "failed"


async def test_a_server_that_stops_says_so(service: FhirService, ctx: Context) -> None:
    id = await service.start_job(ctx, "url", never)

    await service.close()

    job = await service.job(ctx, id)
    assert (job.state, "stopped" in job.reason) == ("failed", True)


async def test_the_end_of_the_application_is_the_end_of_what_it_works_on(
    service: FhirService, store: Store, ctx: Context
) -> None:
    app = create_app(service, store.accounts, Settings(auth=Auth(mode="open")))

    async with app.router.lifespan_context(app):
        id = await service.start_job(ctx, "url", never)

    assert (await service.job(ctx, id)).state == "failed"


async def test_an_unexpected_error_is_told_without_its_text(
    service: FhirService, client: httpx.AsyncClient, ctx: Context
) -> None:
    async def work() -> Answer:
        raise ValueError("secret")

    id = await service.start_job(ctx, "url", work)
    answer = await finished(client, f"/fhir/_async/{id}")

    assert answer.status_code == 500
    assert "secret" not in answer.text


async def test_an_answer_longer_than_a_document_is_kept_in_pieces(
    service: FhirService, store: Store, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "PIECE", 1000)
    body = b'{"resourceType":"Basic","code":{"text":"' + b"x" * 5000 + b'"}}'

    async def work() -> Answer:
        return Answer(200, body)

    id = await service.start_job(ctx, "url", work)
    job = await settled(service, ctx, id)

    assert job.pieces > 5
    assert body in await service.job_answer(ctx, id)


async def test_an_answer_expires(service: FhirService, store: Store, ctx: Context) -> None:
    id = await service.start_job(ctx, "url", at_once)
    await settled(service, ctx, id)
    past = datetime.now(UTC) - timedelta(seconds=1)

    await store.collections.jobs.update_one({"_id": id}, {"$set": {"expires": past}})

    with pytest.raises(NotFound):
        await service.job(ctx, id)
    for name in ("jobs", "job_parts"):
        indexes = await store.collections.database[name].index_information()
        assert indexes["expiry"]["expireAfterSeconds"] == 0


def who(name: str, *scopes: str, patient: str | None = None) -> Context:
    return Context(Principal(name, scopes, patient), Origin("rest", name, "test"))


async def test_only_who_asked_may_see_the_answer(service: FhirService) -> None:
    owner = who("app", "system/Patient.rs", "system/Basic.rs")
    id = await service.start_job(owner, "url", at_once)
    await settled(service, owner, id)

    strangers = [
        who("other", "system/Patient.rs", "system/Basic.rs"),
        who("app", "system/Patient.rs"),  # the same with a smaller token
        who("app", "system/Patient.rs", "system/Basic.rs", patient="a"),
        who("other", "system/*.rs"),
    ]

    assert b"Basic" in await service.job_answer(owner, id)
    assert b"Basic" in await service.job_answer(who("admin", *EVERYTHING), id)
    for stranger in strangers:
        with pytest.raises(NotFound):
            await service.job(stranger, id)
        with pytest.raises(NotFound):
            await service.job_answer(stranger, id)
        with pytest.raises(NotFound):
            await service.cancel_job(stranger, id)


async def test_without_a_token_there_is_no_answer(service: FhirService, store: Store) -> None:
    async with client_of(service, store, Settings()) as guarded:
        answer = await guarded.get("/fhir/_async/a")

    assert answer.status_code == 401


@pytest.mark.parametrize("id", ["none", "a%2Fb", "%00", "x" * 100])
async def test_an_unknown_job_is_not_found(client: httpx.AsyncClient, id: str) -> None:
    answers = [await client.get(f"/fhir/_async/{id}"), await client.delete(f"/fhir/_async/{id}")]

    assert {answer.status_code for answer in answers} == {404}
