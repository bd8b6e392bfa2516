"""https://hl7.org/fhir/R4/search.html#revinclude"""

from __future__ import annotations

import pytest

from fhir_server.model import EVERYTHING, Context
from fhir_server.service import FhirService
from fhir_server.store import reindex
from fhir_server.store.store import Store
from kernel.errors import Invalid
from tests.integration.fhir.linked import (
    BASE,
    fill,
    included,
    members,
    modes,
    observation,
    page,
    patient,
    provenance,
    reader,
)


@pytest.fixture
def ctx() -> Context:
    return reader(*EVERYTHING)


async def test_what_matches_refer_to_comes_along_once(service: FhirService, ctx: Context) -> None:
    await fill(
        service,
        patient("1"),
        patient("2"),
        patient("other"),
        observation("a", "Patient/1"),
        observation("b", "Patient/1"),
        observation("c", "Patient/2"),
    )

    bundle = await page(service, ctx, "Observation?_include=Observation:subject")

    assert sorted(modes(bundle)["match"]) == ["Observation/a", "Observation/b", "Observation/c"]
    assert modes(bundle)["include"] == ["Patient/1", "Patient/2"]
    assert bundle["entry"][-1]["fullUrl"] == f"{BASE}/Patient/2"
    assert "total" not in bundle or bundle["total"] == 3


async def test_a_target_type_leaves_other_types_out(service: FhirService, ctx: Context) -> None:
    group = {"resourceType": "Group", "id": "g", "type": "person", "actual": True}
    await fill(
        service, patient("1"), group, observation("a", "Patient/1"), observation("b", "Group/g")
    )

    async def follow(value: str) -> list[str]:
        return await included(service, ctx, f"Observation?_include={value}")

    assert await follow("Observation:subject") == ["Group/g", "Patient/1"]
    assert await follow("Observation:subject:Group") == ["Group/g"]
    assert await follow("Observation:patient") == ["Patient/1"]
    assert await follow("Observation:*:Group") == ["Group/g"]


async def test_what_refers_to_matches_comes_along(service: FhirService, ctx: Context) -> None:
    await fill(
        service,
        patient("1"),
        patient("2"),
        observation("a", "Patient/1"),
        observation("b", "Patient/2"),
        observation("c", f"{BASE}/Patient/1"),
        observation("d", "Patient/1/_history/1"),
        observation("e", "http://elsewhere/fhir/Patient/1"),
        provenance("p", "Observation/a", "Patient/1"),
    )

    url = "Patient?_id=1&_revinclude=Observation:subject&_revinclude=Provenance:target"
    found = await included(service, ctx, url)

    assert found == ["Observation/a", "Observation/c", "Observation/d", "Provenance/p"]
    named = "Patient?_id=1&_revinclude=Provenance:target:Patient"
    assert await included(service, ctx, named) == ["Provenance/p"]


async def test_a_star_follows_every_reference(service: FhirService, ctx: Context) -> None:
    encounter = {
        "resourceType": "Encounter", "id": "e", "status": "finished", "class": {"code": "AMB"},
        "subject": {"reference": "Patient/1"},
    }  # fmt: skip
    await fill(
        service,
        patient("1"),
        encounter,
        observation("a", "Patient/1", encounter={"reference": "Encounter/e"}),
        provenance("p", "Observation/a"),
    )

    forward = ["Encounter/e", "Patient/1"]
    assert await included(service, ctx, "Observation?_include=*") == forward
    assert await included(service, ctx, "Observation?_include=Observation:*") == forward
    assert await included(service, ctx, "Observation?_revinclude=*") == ["Provenance/p"]
    assert await included(service, ctx, "Encounter?_revinclude=Observation:*") == ["Observation/a"]
    both = await included(service, ctx, "Encounter?_include=*&_revinclude=*")
    assert both == ["Observation/a", "Patient/1"]


async def test_what_cannot_be_had_is_left_out_without_an_error(
    service: FhirService, ctx: Context
) -> None:
    await fill(
        service,
        patient("gone"),
        observation("a", "Patient/never"),
        observation("b", "Patient/gone"),
        observation("c", "http://elsewhere/fhir/Patient/1"),
        observation("d", "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"),
        observation("e", "#x", contained=[patient("x")]),
    )
    await service.delete(ctx, "Patient", "gone")

    bundle = await page(service, ctx, "Observation?_include=*&_revinclude=*")

    assert len(modes(bundle)["match"]) == 5
    assert modes(bundle)["include"] == []


async def test_a_reference_of_our_own_url_is_followed(service: FhirService, ctx: Context) -> None:
    await fill(service, patient("1"), observation("a", f"{BASE}/Patient/1"))

    assert await included(service, ctx, "Observation?_include=Observation:subject") == ["Patient/1"]


async def test_a_match_is_not_included_again(service: FhirService, ctx: Context) -> None:
    await fill(
        service,
        observation("a", "Patient/1", **members("b")),
        observation("b", "Patient/1", **members("a", "b")),
    )

    bundle = await page(
        service,
        ctx,
        "Observation?_include=Observation:has-member&_revinclude=Observation:has-member",
    )

    assert sorted(modes(bundle)["match"]) == ["Observation/a", "Observation/b"]
    assert modes(bundle)["include"] == []


async def test_a_reference_to_a_version_includes_that_version(
    service: FhirService, ctx: Context
) -> None:
    await fill(
        service,
        patient("1", gender="male"),
        patient("1", gender="female"),
        patient("1", gender="other"),
        observation("a", "Patient/1/_history/2"),
        observation("b", "Patient/1/_history/3"),
        observation("c", "Patient/1/_history/9"),
    )

    async def genders(query: str) -> list[str]:
        bundle = await page(service, ctx, f"Observation?_include=Observation:subject&{query}")
        entries = [e for e in bundle["entry"] if e["search"]["mode"] == "include"]
        assert all(entry["fullUrl"] == f"{BASE}/Patient/1" for entry in entries)
        return [entry["resource"]["gender"] for entry in entries]

    assert await genders("_id=a") == ["female"]
    assert await genders("_id=b") == ["other"]
    assert await genders("_id=c") == []
    assert await genders("") == ["other", "female"]


async def test_iterate_goes_on_from_what_was_included(service: FhirService, ctx: Context) -> None:
    await fill(
        service,
        {"resourceType": "Organization", "id": "o", "partOf": {"reference": "Organization/p"}},
        {"resourceType": "Organization", "id": "p", "partOf": {"reference": "Organization/o"}},
        patient("1", managingOrganization={"reference": "Organization/o"}),
        observation("a", "Patient/1"),
    )
    start = "Observation?_include=Observation:subject"
    further = f"{start}&_include:iterate=Patient:organization"

    assert await included(service, ctx, further) == ["Organization/o", "Patient/1"]
    everything = f"{further}&_include:iterate=Organization:partof"
    assert await included(service, ctx, everything) == [
        "Organization/o", "Organization/p", "Patient/1",
    ]  # fmt: skip
    assert await included(service, ctx, "Observation?_include:recurse=*") == [
        "Organization/o", "Organization/p", "Patient/1",
    ]  # fmt: skip
    upwards = "Organization?_id=p&_revinclude:iterate=Organization:partof"
    assert await included(service, ctx, upwards) == ["Organization/o"]
    mixed = "Organization?_id=o&_revinclude=Patient:organization&_revinclude:iterate=Observation:subject"
    assert await included(service, ctx, mixed) == ["Observation/a", "Patient/1"]


async def test_a_path_without_iterate_stays_with_the_matches(
    service: FhirService, ctx: Context
) -> None:
    await fill(
        service,
        observation("a", "Patient/1", **members("b")),
        observation("b", "Patient/1", **members("c")),
        observation("c", "Patient/1"),
    )

    once = "Observation?_id=a&_include=Observation:has-member"
    assert await included(service, ctx, once) == ["Observation/b"]
    again = "Observation?_id=a&_include:iterate=Observation:has-member"
    assert await included(service, ctx, again) == ["Observation/b", "Observation/c"]


async def test_a_parameter_made_over_rest_is_followed(
    service: FhirService, store: Store, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reindex, "SETTLE_S", 0.0)
    url = "http://acme/keeper"
    definition = {
        "resourceType": "SearchParameter", "id": "keeper", "url": "http://acme/p", "name": "keeper",
        "status": "active", "description": "Ours.", "code": "keeper", "base": ["Patient"],
        "type": "reference", "expression": f"Patient.extension.where(url='{url}').value",
        "target": ["Practitioner"],
    }  # fmt: skip
    kept = [{"url": url, "valueReference": {"reference": "Practitioner/d"}}]
    await fill(service, definition, patient("1", extension=kept), patient("2"))
    await fill(service, {"resourceType": "Practitioner", "id": "d"})
    store.customs.forget()
    back = "Practitioner?_revinclude=Patient:keeper"

    assert await included(service, ctx, "Patient?_include=Patient:keeper") == ["Practitioner/d"]
    assert await included(service, ctx, "Patient?_include=*") == ["Practitioner/d"]
    with pytest.raises(Invalid, match="being built"):
        await page(service, ctx, back)
    for type in await store.reindex.pending():
        async for _ in store.reindex.build(type):
            pass
    store.customs.forget()
    assert await included(service, ctx, back) == ["Patient/1"]
    assert await included(service, ctx, "Practitioner?_revinclude=*") == ["Patient/1"]


async def test_a_search_of_all_types_includes_too(service: FhirService, ctx: Context) -> None:
    await fill(service, patient("1"), observation("a", "Patient/1"), provenance("p", "Patient/1"))

    url = "?_type=Observation,Provenance&_include=Observation:subject"

    assert modes(await page(service, ctx, url))["include"] == ["Patient/1"]


async def test_the_narrative_alone_includes_nothing(service: FhirService, ctx: Context) -> None:
    await fill(service, patient("1"), observation("a", "Patient/1"))

    with pytest.raises(Invalid, match="cannot be mixed with `_summary=text`"):
        await page(service, ctx, "Observation?_include=*&_summary=text")


async def test_a_count_includes_nothing(service: FhirService, ctx: Context) -> None:
    await fill(service, patient("1"), observation("a", "Patient/1"))

    bundle = await page(service, ctx, "Observation?_include=*&_summary=count")

    assert bundle["total"] == 1
    assert "entry" not in bundle


async def test_lenient_handling_does_not_follow_what_does_not_exist(
    service: FhirService, ctx: Context
) -> None:
    lenient = Context(ctx.principal, ctx.origin, ctx.base, lenient=True)

    with pytest.raises(Invalid, match="`Observation` has no search parameter `subjct`"):
        await page(service, lenient, "Observation?_include=Observation:subjct")
