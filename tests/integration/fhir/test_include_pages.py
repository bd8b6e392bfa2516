"""https://hl7.org/fhir/R4/search.html#revinclude"""

from __future__ import annotations

import pytest

from fhir_server.engine import Engine
from fhir_server.interactions import include as including
from fhir_server.interactions.include import include
from fhir_server.model import ALL, EVERYTHING, Context
from fhir_server.search.inclusion import read
from fhir_server.service import FhirService
from fhir_server.store.store import Store
from kernel.errors import Invalid
from kernel.settings import Fhir
from tests.integration.fhir.linked import (
    fill,
    members,
    modes,
    observation,
    page,
    patient,
    reader,
)


@pytest.fixture
def ctx() -> Context:
    return reader(*EVERYTHING)


async def test_iterate_ends_and_says_so(
    service: FhirService, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = [observation(f"{n}", "Patient/1", **members(f"{n + 1}")) for n in range(6)]
    await fill(service, *chain)
    url = "Observation?_id=0&_include:iterate=Observation:has-member"

    whole = modes(await page(service, ctx, url))
    monkeypatch.setattr(including, "MOST_ROUNDS", 5)
    just = modes(await page(service, ctx, url))
    monkeypatch.setattr(including, "MOST_ROUNDS", 4)
    shallow = modes(await page(service, ctx, url))
    monkeypatch.setattr(including, "MOST_FOLLOWED", 2)
    small = modes(await page(service, ctx, url))

    assert len(whole["include"]) == len(just["include"]) == 5
    assert whole["outcome"] == just["outcome"] == []
    assert shallow["include"] == [f"Observation/{n}" for n in (1, 2, 3, 4)]
    assert small["include"] == ["Observation/1", "Observation/2"]
    assert len(shallow["outcome"]) == len(small["outcome"]) == 1


async def test_more_than_fits_follows_on_further_pages(store: Store, ctx: Context) -> None:
    service = FhirService(store, Fhir(max_included=3))
    await fill(service, patient("1"), patient("2"))
    await fill(service, *(observation(f"o{n}", f"Patient/{n % 2 + 1}") for n in range(8)))
    url: str | None = "Patient?_sort=_id&_count=1&_revinclude=Observation:subject"
    pages = []

    while url is not None:
        bundle = await page(service, ctx, url)
        pages.append(modes(bundle))
        links = {link["relation"]: link["url"] for link in bundle["link"]}
        url = links.get("next")
        assert len(pages) < 9

    assert [one["match"] for one in pages] == [["Patient/1"], [], ["Patient/2"], []]
    assert [one["include"] for one in pages] == [
        ["Observation/o0", "Observation/o2", "Observation/o4"],
        ["Observation/o6"],
        ["Observation/o1", "Observation/o3", "Observation/o5"],
        ["Observation/o7"],
    ]


@pytest.mark.parametrize("name", ["_revinclude", "_revinclude:iterate"])
async def test_parts_of_what_is_included_make_the_whole(
    store: Store, service: FhirService, ctx: Context, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("fhir_server.interactions.including.answers.BATCH", 3)
    monkeypatch.setattr("fhir_server.interactions.including.answers.TOKENS", 2)
    ids = [f"o{n}" for n in range(11)]
    await fill(service, patient("1"), patient("2"), patient("3"))
    await fill(service, *(observation(id, f"Patient/{n % 3 + 1}") for n, id in enumerate(ids)))
    engine = Engine.of(store, Fhir())
    keys = ["Patient/1", "Patient/2", "Patient/3"]
    matches = await store.finder.fetch(keys, ALL)
    inclusions = [read(name, "Observation:subject", "Patient")]
    seen: list[str] = []

    more, after = True, ""
    while more:
        part = await include(engine, ctx, inclusions, matches, after=after, limit=4)
        seen += [version.reference for version in part.versions]
        more, after = part.more, part.after

    assert seen == sorted(f"Observation/{id}" for id in ids)
    whole = await include(engine, ctx, inclusions, matches)
    assert [version.reference for version in whole.versions] == seen


async def test_older_versions_have_their_place_among_the_parts(
    store: Store, service: FhirService, ctx: Context
) -> None:
    for gender in ("male", "female", "other", "unknown"):
        await fill(service, patient("1", gender=gender))
    versions = [f"Patient/1/_history/{n}" for n in (1, 2, 3, 4)]
    await fill(service, observation("a", versions[0], performer=[
        {"reference": version} for version in versions[1:]]))  # fmt: skip
    engine = Engine.of(store, Fhir())
    matches = await store.finder.fetch(["Observation/a"], ALL)
    inclusions = [read("_include", "*", "Observation")]

    after, seen = "", []
    for _ in range(4):
        part = await include(engine, ctx, inclusions, matches, after=after, limit=1)
        seen += [version.version for version in part.versions]
        after = part.after

    assert seen == [4, 1, 2, 3]
    assert after == ""


async def test_a_moment_shows_what_was_there_then(
    store: Store, service: FhirService, ctx: Context
) -> None:
    await fill(service, patient("1", gender="male"), observation("a", "Patient/1"))
    engine = Engine.of(store, Fhir())
    at = await store.finder.moment()
    await fill(service, patient("1", gender="female"), observation("late", "Patient/1"))
    matches = await store.finder.fetch(["Observation/a"], ALL)
    forward = [read("_include", "Observation:subject", "Observation")]
    back = [read("_revinclude", "Observation:subject", "Patient")]

    then = await include(engine, ctx, forward, matches, at=at)
    now = await include(engine, ctx, forward, matches)
    people = await store.finder.fetch(["Patient/1"], ALL)
    referrers = await include(engine, ctx, back, people, at=at)

    assert [version.version for version in then.versions] == [1]
    assert [version.version for version in now.versions] == [2]
    assert [version.reference for version in referrers.versions] == ["Observation/a"]


async def test_too_many_references_are_refused_with_advice(
    service: FhirService, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fhir_server.interactions.including.wanted.MOST_QUESTIONS", 50)
    await fill(service, patient("1"))

    with pytest.raises(Invalid, match="Name the types and parameters instead of `\\*`"):
        await page(service, ctx, "Patient?_revinclude=*")
