"""https://hl7.org/fhir/R4/http.html#history"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx
import pytest
import pytest_asyncio

from fhir_server.model import Context
from fhir_server.service import FhirService
from fhir_server.store import history as histories
from fhir_server.store.store import Store
from kernel.clock import instant
from kernel.errors import BadValue, Invalid
from kernel.settings import Fhir
from tests.integration.fhir.versions import decoded, following, versions, write
from tests.integration.fhir.web import client_of, issue

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fhir_server.store.mongo import Collections


class Clock:
    """A clock that a test sets."""

    def __init__(self, now: int) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock(1_700_000_000_000)


@pytest.fixture
def timed(store: Store, collections: Collections, clock: Clock) -> FhirService:
    """The door to a server whose time the test sets; `store` has emptied the database."""
    return FhirService(Store(collections, clock), Fhir())


@pytest_asyncio.fixture
async def client(service: FhirService, store: Store) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(service, store) as made:
        yield made


async def all_pages(
    service: FhirService, ctx: Context, type: str, *asked: tuple[str, str]
) -> list[str]:
    found: list[str] = []
    parameters: list[tuple[str, str]] | None = list(asked)
    while parameters is not None:
        if type:
            page = await service.type_history(ctx, type, parameters)
        else:
            page = await service.system_history(ctx, parameters)
        found += versions(page)
        parameters = following(page)
    return found


async def test_a_type_has_the_versions_of_all_its_resources_newest_first(
    timed: FhirService, ctx: Context, clock: Clock
) -> None:
    for number, id in enumerate(["a", "b", "a"]):
        clock.now += 10
        await write(timed, ctx, "Patient", id, active=number > 1)
    clock.now += 10
    await timed.delete(ctx, "Patient", "b")
    await write(timed, ctx, "Basic", "x", code={"text": "x"})

    bundle = decoded(await timed.type_history(ctx, "Patient"))

    assert [e["request"]["method"] for e in bundle["entry"]] == ["DELETE", "PUT", "PUT", "PUT"]
    assert [e["response"]["etag"] for e in bundle["entry"]] == ['W/"2"', 'W/"2"', 'W/"1"', 'W/"1"']
    assert "resource" not in bundle["entry"][0]
    assert bundle["entry"][0]["response"]["status"].startswith("204")
    assert bundle["entry"][1]["resource"]["active"] is True
    assert bundle["entry"][1]["response"]["lastModified"] == instant(1_700_000_000_030)
    assert "total" not in bundle


async def test_the_system_has_the_versions_of_everything(
    timed: FhirService, ctx: Context, clock: Clock
) -> None:
    await write(timed, ctx, "Patient", "a")
    clock.now += 1
    await write(timed, ctx, "Basic", "x", code={"text": "x"})
    clock.now += 1
    await write(timed, ctx, "Patient", "a", active=True)

    page = await timed.system_history(ctx, [("_total", "accurate")])

    assert versions(page) == ["Patient/a@2", "Basic/x@1", "Patient/a@1"]
    assert decoded(page)["total"] == 3


@pytest.mark.parametrize("sort", ["-_lastUpdated", "_lastUpdated"])
@pytest.mark.parametrize("count", ["1", "2", "3", "7", "100"])
async def test_pages_hold_each_version_once_even_of_one_millisecond(
    timed: FhirService, ctx: Context, clock: Clock, sort: str, count: str
) -> None:
    # Ids around `/` in the order of characters, all written at the same time.
    ids = ["a", "a-b", "a.b", "a0", "A", "b"]
    for id in ids:
        await write(timed, ctx, "Patient", id)
    for id in ids[:4]:
        await write(timed, ctx, "Patient", id, active=True)  # a millisecond later, for its order
    await timed.delete(ctx, "Patient", "a-b")
    expected = {f"Patient/{id}@1" for id in ids} | {f"Patient/{id}@2" for id in ids[:4]}

    found = await all_pages(timed, ctx, "Patient", ("_count", count), ("_sort", sort))

    assert len(found) == 11
    assert set(found) == expected | {"Patient/a-b@3"}
    newest_first = found if sort == "-_lastUpdated" else found[::-1]
    assert newest_first[0] == "Patient/a-b@3"
    assert [name[-1] for name in newest_first] == ["3"] + ["2"] * 4 + ["1"] * 6


async def test_paging_is_stable_while_others_write(service: FhirService, ctx: Context) -> None:
    for number in range(40):
        await write(service, ctx, "Patient", f"p{number}")
    before = set(await all_pages(service, ctx, "Patient", ("_count", "100")))

    found: list[str] = []
    parameters: list[tuple[str, str]] | None = [("_count", "3")]
    turn = 0
    while parameters is not None:
        page = await service.type_history(ctx, "Patient", parameters)
        found += versions(page)
        parameters = following(page)
        # What was read and what was not read yet both become superseded, or are deleted.
        await asyncio.gather(
            write(service, ctx, "Patient", f"p{turn}", active=True),
            write(service, ctx, "Patient", f"p{39 - turn}", active=True),
            service.delete(ctx, "Patient", f"p{20 - turn}" if turn < 20 else "none"),
        )
        turn += 1

    assert len(found) == len(set(found))
    assert before <= set(found)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("_since", 20, ["a@3", "a@2"]),
        ("_since", 21, ["a@3"]),
        ("_since", 31, []),
        ("_before", 20, ["a@1"]),
        ("_before", 30, ["a@2", "a@1"]),
        ("_at", 19, ["a@1"]),
        ("_at", 20, ["a@2"]),
        ("_at", 35, ["a@3"]),
        ("_at", 9, []),
    ],
)
async def test_time_bounds_which_versions_there_are(
    timed: FhirService, ctx: Context, clock: Clock, name: str, value: int, expected: list[str]
) -> None:
    start = clock.now
    for active in (True, False):
        clock.now += 10
        await write(timed, ctx, "Patient", "a", active=active)
    clock.now += 10
    await timed.delete(ctx, "Patient", "a")
    asked = [(name, instant(start + value)), ("_total", "accurate")]

    pages = [
        await timed.history(ctx, "Patient", "a", asked),
        await timed.type_history(ctx, "Patient", asked),
        await timed.system_history(ctx, asked),
    ]

    for page in pages:
        assert versions(page) == [f"Patient/{version}" for version in expected]
        assert decoded(page)["total"] == len(expected)


async def test_at_takes_all_that_was_current_in_its_whole_day(
    timed: FhirService, ctx: Context, clock: Clock
) -> None:
    day = 86_400_000
    clock.now -= clock.now % day
    for number, offset in enumerate((-2 * day, -day, 5, day - 1, day)):
        clock.now, kept = clock.now + offset, clock.now
        await write(timed, ctx, "Patient", "a", multipleBirthInteger=number)
        clock.now = kept

    page = await timed.type_history(ctx, "Patient", [("_at", instant(clock.now)[:10])])

    assert versions(page) == ["Patient/a@4", "Patient/a@3", "Patient/a@2"]


async def test_an_instance_can_be_paged_in_both_directions(
    service: FhirService, ctx: Context
) -> None:
    for number in range(7):
        await write(service, ctx, "Patient", "a", multipleBirthInteger=number)

    for sort, expected in (
        ("-_lastUpdated", [7, 6, 5, 4, 3, 2, 1]),
        ("_lastUpdated", [1, 2, 3, 4, 5, 6, 7]),
    ):
        for count in ("1", "2", "3", "6", "7", "8"):
            found: list[str] = []
            parameters: list[tuple[str, str]] | None = [("_count", count), ("_sort", sort)]
            while parameters is not None:
                page = await service.history(ctx, "Patient", "a", parameters)
                assert decoded(page)["total"] == 7
                found += versions(page)
                parameters = following(page)
            assert found == [f"Patient/a@{number}" for number in expected]


async def test_no_count_is_the_total_alone(service: FhirService, ctx: Context) -> None:
    await write(service, ctx, "Patient", "a")

    pages = [
        await service.history(ctx, "Patient", "a", [("_count", "0")]),
        await service.type_history(ctx, "Patient", [("_summary", "count")]),
    ]

    for page in pages:
        assert decoded(page)["total"] == 1
        assert "entry" not in decoded(page)
        assert following(page) is None


async def test_elements_and_summaries_narrow_each_version_down(
    service: FhirService, ctx: Context
) -> None:
    await write(service, ctx, "Patient", "a", gender="other", name=[{"family": "Doe"}])

    page = await service.type_history(ctx, "Patient", [("_elements", "gender")])

    resource = decoded(page)["entry"][0]["resource"]
    assert resource["gender"] == "other"
    assert "name" not in resource
    assert resource["meta"]["tag"][0]["code"] == "SUBSETTED"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("_since", "yesterday"),
        ("_since", "2024-13-01"),
        ("_at", ""),
        ("_before", "9" * 5000),
        ("_count", "-1"),
        ("_count", "x"),
        ("_count", "9999999999"),
        ("_sort", "name"),
        ("_total", "some"),
        ("_summary", "all"),
        ("_page", "x"),
        ("_page", "AAAA"),
        ("_elements", "nme"),
        ("name", "x"),
        ("_list", "1"),
    ],
)
async def test_what_a_history_does_not_take_is_refused(
    service: FhirService, ctx: Context, name: str, value: str
) -> None:
    await write(service, ctx, "Patient", "a")

    for call in (
        service.type_history(ctx, "Patient", [(name, value)]),
        service.history(ctx, "Patient", "a", [(name, value)]),
    ):
        with pytest.raises(Invalid, match=f"{name}|nme"):
            await call


async def test_lenient_handling_leaves_an_unknown_parameter_out(
    service: FhirService, store: Store, client: httpx.AsyncClient
) -> None:
    strict = await client.get("/fhir/Patient/_history?name=x&_count=5")
    lenient = await client.get(
        "/fhir/Patient/_history?name=x&_count=5", headers={"prefer": "handling=lenient"}
    )

    assert strict.status_code == 400
    assert lenient.status_code == 200
    assert lenient.json()["link"] == [
        {"relation": "self", "url": "http://h/fhir/Patient/_history?_count=5"}
    ]


async def test_a_page_of_another_history_is_refused(service: FhirService, ctx: Context) -> None:
    for id in ("a", "b"):
        await write(service, ctx, "Patient", id)
    parameters = following(await service.type_history(ctx, "Patient", [("_count", "1")]))
    assert parameters is not None

    with pytest.raises(BadValue, match="another history"):
        await service.system_history(ctx, parameters)


async def test_a_late_page_costs_what_the_first_did(
    service: FhirService, collections: Collections, ctx: Context
) -> None:
    await write(service, ctx, "Patient", "a", active=True)
    body = b'{"resourceType":"Patient","id":"a"}'
    await collections.history.insert_many(
        {
            "_id": f"Patient/a/{n:010d}",
            "r": "Patient/a",
            "v": n,
            "u": n,
            "z": n + 1,
            "m": "PUT",
            "b": body,
        }
        for n in range(1, 20_001)
    )
    await collections.resources.update_one({"_id": "Patient/a"}, {"$set": {"v": 20_001}})
    asked = [("_count", "10")]
    late = following(
        await service.type_history(ctx, "Patient", [*asked, ("_before", instant(500))])
    )
    assert late is not None
    kept = [pair for pair in late if pair[0] != "_before"]

    await collections.database.command("profile", 2)
    try:
        first = await service.type_history(ctx, "Patient", asked)
        last = await service.type_history(ctx, "Patient", kept)
        instance = await service.history(ctx, "Patient", "a", asked)
    finally:
        await collections.database.command("profile", 0)
    profiled = await collections.database["system.profile"].find({"op": "query"}).to_list()
    await collections.database["system.profile"].drop()

    assert versions(first)[:2] == ["Patient/a@20001", "Patient/a@20000"]
    assert versions(last)[0] == "Patient/a@489"
    assert decoded(instance)["total"] == 20_001
    assert profiled
    assert max(row["keysExamined"] for row in profiled) <= 20
    assert not any(row.get("hasSortStage") for row in profiled)


@pytest.mark.parametrize("sort", ["-_lastUpdated", "_lastUpdated"])
@pytest.mark.parametrize("type", ["", "Patient"])
async def test_long_versions_make_short_pages(
    service: FhirService, ctx: Context, monkeypatch: pytest.MonkeyPatch, type: str, sort: str
) -> None:
    monkeypatch.setattr(histories, "LONGEST", 2000)
    for number in range(3):
        for id in ("a", "b", "c"):
            text = "x" * (900 if id == "b" else 10) + str(number)
            await write(service, ctx, "Patient", id, language=text)

    page = await service.type_history(ctx, "Patient", [("_sort", sort)])
    found = await all_pages(service, ctx, type, ("_sort", sort))

    assert len(versions(page)) < 9
    assert sorted(found) == [f"Patient/{id}@{n}" for id in "abc" for n in (1, 2, 3)]


async def test_every_level_answers_over_http(client: httpx.AsyncClient) -> None:
    await client.put("/fhir/Patient/a", json={"resourceType": "Patient", "id": "a"})

    answers = [
        await client.get(url)
        for url in ("/fhir/_history", "/fhir/Patient/_history", "/fhir/Patient/a/_history")
    ]
    head = await client.head("/fhir/_history")
    unknown = await client.get("/fhir/Nonsense/_history")
    posted = await client.post("/fhir/_history", json={})

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert all(answer.json()["type"] == "history" for answer in answers)
    assert all("last-modified" in answer.headers for answer in answers)
    assert (head.status_code, head.content) == (200, b"")
    assert (unknown.status_code, issue(unknown)["code"]) == (404, "not-supported")
    assert (posted.status_code, posted.headers["allow"]) == (405, "GET, HEAD")
