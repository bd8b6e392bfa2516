"""https://hl7.org/fhir/R4/search.html

What is indexed is found, and nothing else is; and a client that pages while others write sees each
match of the search's first moment once.
"""

from __future__ import annotations

import asyncio
import itertools
import operator
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlsplit

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_server.model import EVERYTHING, Context, Origin, Principal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fhir_server.service import FhirService

Resource = dict[str, Any]
Holds = Callable[[Resource], bool]

CTX = Context(Principal("tester", EVERYTHING), Origin("rest", "t", "t"), "http://h/fhir")
DEADLINE_S = 30.0
UCUM = "http://unitsofmeasure.org"
RUNS = itertools.count()
"""Each example has a tag of its own: they share one database."""

few = settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

FAMILIES = ["Müller", "muller", "Mull", "Ångström", "O'Hara, Sr", "李", "a|b", "x$y", "back\\slash"]
SYSTEMS = ["urn:oid:1.2.36", "http://acme/mrn|odd", "http://acme/a,b"]
VALUES = ["1", "01", "A", "a", "x|y", "q,r", "%41", "ß"]
DAYS = ["1999-12-31", "2000-01-01", "2000-02-29", "2024-06-15"]
SUBJECTS = ["Patient/1", "Patient/2", "Group/1"]


def fixed(optional: Resource | None = None, **members: Any) -> st.SearchStrategy[Resource]:
    return st.fixed_dictionaries(members, optional=optional)


def several(items: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(items, min_size=1, max_size=2)


SYSTEM = {"system": st.sampled_from(SYSTEMS)}
PATIENTS = fixed(
    {
        "name": several(fixed(family=st.sampled_from(FAMILIES))),
        "identifier": several(fixed(SYSTEM, value=st.sampled_from(VALUES))),
        "gender": st.sampled_from(["male", "female", "other", "unknown"]),
        "birthDate": st.sampled_from(DAYS),
        "active": st.booleans(),
    },
    resourceType=st.just("Patient"),
)
OBSERVATIONS = fixed(
    {
        "subject": fixed(reference=st.sampled_from(SUBJECTS)),
        "effectiveDateTime": st.sampled_from(DAYS),
        "valueQuantity": fixed(
            value=st.integers(-3, 3), system=st.just(UCUM), code=st.sampled_from(["mg", "g"])
        ),
    },
    resourceType=st.just("Observation"),
    status=st.just("final"),
    code=fixed(coding=several(fixed(SYSTEM, code=st.sampled_from(VALUES)))),
)


@dataclass(frozen=True)
class Question:
    """A criterion, and which resources meet it: told from the resource, not from an index."""

    name: str
    value: str
    holds: Holds


def escaped(text: str) -> str:
    for character in "\\,|$":
        text = text.replace(character, f"\\{character}")
    return text


def among(name: str, values: list[str], of: Callable[[Resource], list[str]]) -> list[Question]:
    return [Question(name, escaped(value), lambda r, v=value: v in of(r)) for value in values]


def coded(name: str, member: str, of: Callable[[Resource], list[Resource]]) -> list[Question]:
    """Return the forms of a token: `code`, `|code`, `system|code` and `system|`."""

    def holds(value: str | None, system: str | None) -> Holds:
        return lambda r: any(
            value in {None, one[member]} and system in {None, one.get("system", "")}
            for one in of(r)
        )

    asked = [Question(name, escaped(value), holds(value, None)) for value in VALUES]
    for system in ["", *SYSTEMS]:
        for value in VALUES:
            text = f"{escaped(system)}|{escaped(value)}"
            asked.append(Question(name, text, holds(value, system)))
    return [*asked, *(Question(name, f"{escaped(s)}|", holds(None, s)) for s in SYSTEMS)]


def compared(
    name: str, values: list[Any], of: Callable[[Resource], Any], suffix: str = ""
) -> list[Question]:
    """Return a question for each prefix and value; `of` is None where there is nothing."""

    def holds(prefix: str, value: Any) -> Holds:
        test = getattr(operator, prefix)
        return lambda r: (found := of(r)) is not None and test(found, value)

    return [
        Question(name, f"{prefix}{value}{suffix}", holds(prefix, value))
        for value in values
        for prefix in ("eq", "ne", "ge", "gt", "le", "lt")
    ]


def milligrams(resource: Resource) -> int | None:
    found = resource.get("valueQuantity")
    return found and found["value"] * (1000 if found["code"] == "g" else 1)


def subject(resource: Resource) -> str:
    reference: str = resource.get("subject", {}).get("reference", "")
    return reference


QUESTIONS = {
    "Patient": [
        *among("family:exact", FAMILIES, lambda r: [n["family"] for n in r.get("name", [])]),
        *coded("identifier", "value", lambda r: r.get("identifier", [])),
        *among("gender", ["male", "other"], lambda r: [r.get("gender", "")]),
        *among("active", ["true", "false"], lambda r: [str(r.get("active")).lower()]),
        *compared("birthdate", DAYS, lambda r: r.get("birthDate")),
        Question("birthdate:missing", "true", lambda r: "birthDate" not in r),
        Question("gender:not", "male", lambda r: r.get("gender") != "male"),
    ],
    "Observation": [
        *coded("code", "code", lambda r: r["code"]["coding"]),
        *among("subject", SUBJECTS, lambda r: [subject(r)]),
        *among("patient", ["Patient/1", "Patient/2"], lambda r: [subject(r)]),
        Question("patient", "1", lambda r: subject(r) == "Patient/1"),
        Question("subject", "1", lambda r: subject(r) in {"Patient/1", "Group/1"}),
        *compared("date", DAYS, lambda r: r.get("effectiveDateTime")),
        *compared("value-quantity", [-2000, -1, 0, 2, 3000], milligrams, f"|{UCUM}|mg"),
    ],
}


async def pages(service: FhirService, type: str, query: str) -> AsyncIterator[Any]:
    """Yield the pages of a search, following `next` as a client does."""
    following: str | None = query
    while following is not None:
        asked = parse_qsl(following, keep_blank_values=True)
        bundle = msgspec.json.decode((await service.search(CTX, type, asked)).body)
        yield bundle
        links = {link["relation"]: link["url"] for link in bundle["link"]}
        following = urlsplit(links["next"]).query if "next" in links else None


def entries(bundle: Any, mode: str = "match") -> list[Resource]:
    return [e["resource"] for e in bundle.get("entry", []) if e["search"]["mode"] == mode]


async def check_every_question(service: FhirService, type: str, drawn: list[Resource]) -> None:
    """Store the resources and ask all there is to ask about them."""
    tag = f"run-{next(RUNS)}"
    stored = {}
    for resource in drawn:
        tagged = resource | {"meta": {"tag": [{"system": "urn:run", "code": tag}]}}
        stored[(await service.create(CTX, type, tagged)).version.id] = resource
    for question in QUESTIONS[type]:
        query = f"_tag=urn:run|{tag}&_count=100&{question.name}={quote(question.value)}"
        found = [r["id"] async for page in pages(service, type, query) for r in entries(page)]

        expected = sorted(id for id, resource in stored.items() if question.holds(resource))
        assert sorted(found) == expected, f"{question.name}={question.value}"


@few
@given(drawn=st.lists(PATIENTS, min_size=1, max_size=8))
async def test_a_patient_is_found_by_what_it_says_and_by_nothing_else(
    service: FhirService, drawn: list[Resource]
) -> None:
    await check_every_question(service, "Patient", drawn)


@few
@given(drawn=st.lists(OBSERVATIONS, min_size=1, max_size=8))
async def test_an_observation_is_found_by_what_it_says_and_by_nothing_else(
    service: FhirService, drawn: list[Resource]
) -> None:
    await check_every_question(service, "Observation", drawn)


def observation(tag: str, number: int, *, day: int, matches: bool = True) -> Resource:
    """Return one of a few that share each date: the order has ties to break."""
    return {
        "resourceType": "Observation",
        "id": f"{tag}-{number}",
        "status": "final",
        "code": {"coding": [{"system": "urn:run", "code": tag if matches else "another"}]},
        "subject": {"reference": f"Patient/{tag}"},
        "effectiveDateTime": f"2024-01-{day % 28 + 1:02d}",
    }


async def put(service: FhirService, resource: Resource) -> None:
    await service.update(CTX, resource["resourceType"], resource["id"], resource)


async def write(service: FhirService, tag: str, number: int, kind: str) -> None:
    """Do to one resource what may move it in the order, out of the result, or into it."""
    if kind == "delete":
        await service.delete(CTX, "Observation", f"{tag}-{number}")
    else:
        day = number + 13 if kind == "move" else number // 3
        await put(service, observation(tag, number, day=day, matches=kind != "leave"))


SORTS = ["", "&_sort=date", "&_sort=_id", "&_sort=-_lastUpdated", "&_sort=code,-date"]
WRITES = st.tuples(st.integers(0, 25), st.sampled_from(["move", "leave", "delete", "write"]))


@few
@given(
    sort=st.sampled_from(SORTS),
    count=st.integers(1, 7),
    writes=st.lists(st.lists(WRITES, max_size=8), max_size=5),
)
async def test_writes_between_pages_neither_hide_nor_repeat_a_match(
    service: FhirService, sort: str, count: int, writes: list[list[tuple[int, str]]]
) -> None:
    tag = f"run-{next(RUNS)}"
    for number in range(20):
        await put(service, observation(tag, number, day=number // 3))
    query = f"code=urn:run|{tag}&_count={count}{sort}"
    before = [r async for page in pages(service, "Observation", query) for r in entries(page)]

    seen = []
    turns = iter(writes)
    async for page in pages(service, "Observation", query):
        seen += entries(page)
        for number, kind in next(turns, []):
            await write(service, tag, number, kind)

    assert len(before) == 20
    assert seen == before


@pytest.mark.parametrize("sort", SORTS)
async def test_a_client_that_pages_among_writers_sees_each_match_once(
    service: FhirService, sort: str
) -> None:
    tag = f"run-{next(RUNS)}"
    await put(service, {"resourceType": "Patient", "id": tag})
    for number in range(45):
        await put(service, observation(tag, number, day=number // 3))
    written, enough = asyncio.Condition(), asyncio.Event()
    done = 0

    async def writer(first: int) -> None:
        nonlocal done
        kinds = itertools.cycle(["move", "leave", "write", "delete", "write"])
        for turn, kind in zip(itertools.count(first), kinds, strict=False):
            if enough.is_set():
                return
            await write(service, tag, turn * 7 % 60, kind)
            async with written:
                done += 1
                written.notify_all()

    query = f"code=urn:run|{tag}&_count=7&_include=Observation:subject{sort}"
    reading = pages(service, "Observation", query)
    page = await anext(reading)
    seen, along = entries(page), [entries(page, "include")]
    started = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for first in range(3):
            group.create_task(writer(first))
        async for page in reading:
            seen += entries(page)
            along.append(entries(page, "include"))
            async with asyncio.timeout(DEADLINE_S), written:
                wanted = done + 12
                await written.wait_for(lambda wanted=wanted: done >= wanted)
        # Not cancelled: a write that is under way would end in the next test's database.
        enough.set()

    assert sorted(r["id"] for r in seen) == sorted(f"{tag}-{number}" for number in range(45))
    assert {r["meta"]["versionId"] for r in seen} == {"1"}
    assert [len(resources) for resources in along] == [1] * 7
    assert time.monotonic() - started < DEADLINE_S


async def test_every_page_has_what_goes_with_it_however_little_fits(
    service: FhirService,
) -> None:
    tag = f"run-{next(RUNS)}"
    for number in range(9):
        await put(service, observation(tag, number, day=number))
        members = [{"reference": f"Observation/{tag}-{number}"}]
        holder = observation(tag, number + 20, day=1, matches=False) | {"hasMember": members}
        await put(service, holder)

    query = f"code=urn:run|{tag}&_count=4&_revinclude=Observation:has-member&_sort=_id"
    alone = [page async for page in pages(service, "Observation", query)]

    for page in alone:
        numbers = {int(r["id"].rpartition("-")[2]) for r in entries(page)}
        along = {int(r["id"].rpartition("-")[2]) for r in entries(page, "include")}
        assert along == {number + 20 for number in numbers}
    assert [len(entries(page)) for page in alone] == [4, 4, 1]
