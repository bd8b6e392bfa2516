"""https://hl7.org/fhir/R4/http.html"""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest

from fhir_server.model import Context, Origin, Principal
from fhir_server.service import FhirService
from fhir_server.store.store import Store
from kernel.errors import (
    BadValue,
    Forbidden,
    Gone,
    Invalid,
    MultipleMatches,
    NotFound,
    PreconditionFailed,
)
from kernel.settings import Fhir

PATIENT = {
    "resourceType": "Patient",
    "identifier": [{"system": "urn:oid:1.2.3", "value": "7"}],
    "name": [{"family": "Doe", "given": ["Jo"]}],
    "birthDate": "1990-02-03",
}


async def test_what_is_created_can_be_read(service: FhirService, ctx: Context) -> None:
    created = await service.create(ctx, "Patient", PATIENT)

    version = await service.read(ctx, "Patient", created.version.id)

    assert created.status == 201
    assert version == created.version
    resource = msgspec.json.decode(version.body or b"")
    assert resource["id"] == version.id
    assert resource["meta"]["versionId"] == "1"
    assert resource["name"] == PATIENT["name"]


async def test_numbers_stay_as_they_were_written(service: FhirService, ctx: Context) -> None:
    body = (
        b'{"resourceType":"Observation","status":"final","code":{"text":"x"},'
        b'"valueQuantity":{"value":1.10}}'
    )

    created = await service.create(ctx, "Observation", body)

    assert b'"value":1.10}' in (created.version.body or b"")


async def test_an_update_makes_the_next_version(service: FhirService, ctx: Context) -> None:
    await service.update(ctx, "Patient", "a", PATIENT | {"id": "a"})

    updated = await service.update(ctx, "Patient", "a", PATIENT | {"id": "a", "active": True})

    assert (updated.status, updated.version.version) == (200, 2)
    assert b'"active"' not in ((await service.vread(ctx, "Patient", "a", 1)).body or b"")


async def test_unchanged_content_makes_no_version(service: FhirService, ctx: Context) -> None:
    first = await service.update(ctx, "Patient", "a", PATIENT | {"id": "a"})

    again = await service.update(ctx, "Patient", "a", PATIENT | {"id": "a"})

    assert not again.changed
    assert again.version == first.version


async def test_a_deleted_resource_is_gone_and_can_come_back(
    service: FhirService, ctx: Context
) -> None:
    await service.update(ctx, "Patient", "a", PATIENT | {"id": "a"})
    deleted = await service.delete(ctx, "Patient", "a")

    with pytest.raises(Gone, match="`Patient/a` was deleted"):
        await service.read(ctx, "Patient", "a")
    again = await service.delete(ctx, "Patient", "a")
    back = await service.update(ctx, "Patient", "a", PATIENT | {"id": "a"})

    assert (deleted.status, deleted.version.version) == (204, 2)
    assert (again.status, again.version.version, again.changed) == (204, 2, False)
    assert (back.status, back.version.version) == (201, 3)


async def test_history_holds_every_version_newest_first(service: FhirService, ctx: Context) -> None:
    await service.update(ctx, "Patient", "a", PATIENT | {"id": "a"})
    await service.update(ctx, "Patient", "a", PATIENT | {"id": "a", "active": True})
    await service.delete(ctx, "Patient", "a")

    page = await service.history(ctx, "Patient", "a")

    bundle = msgspec.json.decode(page.body)
    assert (bundle["type"], bundle["total"]) == ("history", 3)
    assert [e["request"]["method"] for e in bundle["entry"]] == ["DELETE", "PUT", "PUT"]
    assert [e["response"]["status"] for e in bundle["entry"]] == ["204", "200", "201"]
    assert "resource" not in bundle["entry"][0]


async def test_history_is_paged(service: FhirService, ctx: Context) -> None:
    for active in (True, False, True):
        await service.update(ctx, "Patient", "a", PATIENT | {"id": "a", "active": active})

    first = msgspec.json.decode(
        (await service.history(ctx, "Patient", "a", [("_count", "2")])).body
    )
    following = next(link["url"] for link in first["link"] if link["relation"] == "next")
    asked = parse_qsl(urlsplit(following).query)
    second = msgspec.json.decode((await service.history(ctx, "Patient", "a", asked)).body)

    assert [len(first["entry"]), len(second["entry"])] == [2, 1]
    assert [link["relation"] for link in second["link"]] == ["self"]


async def test_a_version_that_is_not_current_is_refused(service: FhirService, ctx: Context) -> None:
    await service.update(ctx, "Patient", "a", PATIENT | {"id": "a"})

    with pytest.raises(PreconditionFailed, match="expected at version `2`, but version `1` is"):
        await service.update(ctx, "Patient", "a", PATIENT | {"id": "a", "active": True}, if_match=2)
    with pytest.raises(PreconditionFailed):
        await service.update(ctx, "Patient", "a", PATIENT | {"id": "a", "active": True}, if_match=0)

    assert (await service.read(ctx, "Patient", "a")).version == 1


async def test_what_was_never_there_is_not_found(service: FhirService, ctx: Context) -> None:
    with pytest.raises(NotFound, match="`Patient/none` was not found"):
        await service.read(ctx, "Patient", "none")
    nothing = await service.delete(ctx, "Patient", "none")
    assert (nothing.status, nothing.version.version, nothing.changed) == (204, 0, False)
    with pytest.raises(PreconditionFailed):
        await service.delete(ctx, "Patient", "none", if_match=1)
    with pytest.raises(NotFound):
        await service.history(ctx, "Patient", "none")
    with pytest.raises(NotFound, match="`Nonsense` is not a resource type"):
        await service.read(ctx, "Nonsense", "a")
    with pytest.raises(BadValue, match="is not an id"):
        await service.read(ctx, "Patient", "a/../b")


async def test_another_type_or_id_than_the_url_says_is_refused(
    service: FhirService, ctx: Context
) -> None:
    with pytest.raises(Invalid, match="`resourceType` is `Patient`, but `Encounter`"):
        await service.create(ctx, "Encounter", PATIENT)
    with pytest.raises(BadValue, match="`id` is `b`, but the URL says `a`"):
        await service.update(ctx, "Patient", "a", PATIENT | {"id": "b"})
    with pytest.raises(BadValue, match="`id` is missing"):
        await service.update(ctx, "Patient", "a", PATIENT)


async def test_eight_equal_conditional_creates_make_one_resource(
    service: FhirService, ctx: Context
) -> None:
    criteria = "identifier=urn:oid:1.2.3|7"

    results = await asyncio.gather(
        *(service.create(ctx, "Patient", PATIENT, if_none_exist=criteria) for _ in range(8))
    )

    assert sorted(result.status for result in results) == [200] * 7 + [201]
    assert len({result.version.id for result in results}) == 1


async def test_criteria_that_match_two_are_refused(service: FhirService, ctx: Context) -> None:
    await service.create(ctx, "Patient", PATIENT)
    await service.create(ctx, "Patient", PATIENT)

    with pytest.raises(MultipleMatches):
        await service.create(ctx, "Patient", PATIENT, if_none_exist="identifier=7")
    with pytest.raises(MultipleMatches):
        await service.conditional_update(ctx, "Patient", "identifier=7", PATIENT)


async def test_a_conditional_update_creates_then_replaces(
    service: FhirService, ctx: Context
) -> None:
    first = await service.conditional_update(ctx, "Patient", "identifier=7", PATIENT)
    second = await service.conditional_update(
        ctx, "Patient", "identifier=7", PATIENT | {"active": True}
    )

    assert (first.status, second.status) == (201, 200)
    assert second.version.id == first.version.id
    assert second.version.version == 2


async def test_concurrent_writes_of_one_resource_all_count(
    service: FhirService, ctx: Context
) -> None:
    bodies = [PATIENT | {"id": "a", "name": [{"family": str(n)}]} for n in range(20)]

    results = await asyncio.gather(*(service.update(ctx, "Patient", "a", body) for body in bodies))

    assert sorted(result.version.version for result in results) == list(range(1, 21))
    assert msgspec.json.decode((await service.history(ctx, "Patient", "a")).body)["total"] == 20


async def test_a_group_keeps_going_when_one_of_it_fails(service: FhirService, ctx: Context) -> None:
    good = [service.update(ctx, "Patient", f"p{n}", PATIENT | {"id": f"p{n}"}) for n in range(10)]
    bad = service.update(ctx, "Patient", "bad", PATIENT | {"id": "bad"}, if_match=7)

    results = await asyncio.gather(*good, bad, return_exceptions=True)

    assert isinstance(results[-1], PreconditionFailed)
    assert all(not isinstance(result, BaseException) for result in results[:-1])


async def test_each_commit_leaves_its_events(
    service: FhirService, ctx: Context, store: Store
) -> None:
    await service.update(ctx, "Patient", "a", PATIENT | {"id": "a"})
    await service.update(ctx, "Patient", "a", PATIENT | {"id": "a", "active": True})
    await service.delete(ctx, "Patient", "a")

    events = await store.collections.events.find(sort=[("_id", 1)]).to_list()

    told = [change[:4] for event in events for change in event["c"]]
    assert told == [
        ["Patient/a", 1, "create", "rest"],
        ["Patient/a", 2, "update", "rest"],
        ["Patient/a", 3, "delete", "rest"],
    ]


@pytest.fixture
def limited() -> Context:
    """Someone who may read and search Patients, and nothing else."""
    return Context(Principal("app", ("system/Patient.rs",)), Origin("rest", "app", "t"))


async def test_scopes_bound_every_interaction(
    service: FhirService, ctx: Context, limited: Context
) -> None:
    await service.update(ctx, "Patient", "a", PATIENT | {"id": "a"})

    assert (await service.read(limited, "Patient", "a")).version == 1
    with pytest.raises(Forbidden, match="do not allow to create `Patient`"):
        await service.create(limited, "Patient", PATIENT)
    with pytest.raises(Forbidden):
        await service.delete(limited, "Patient", "a")
    with pytest.raises(Forbidden, match="do not allow to read `Encounter`"):
        await service.read(limited, "Encounter", "a")


async def test_a_patient_scope_sees_its_own_compartment_only(
    service: FhirService, ctx: Context
) -> None:
    me = Context(Principal("app", ("patient/*.cruds",), "a"), Origin("rest", "app", "t"))
    observation = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
    for id in ("a", "b"):
        await service.update(ctx, "Patient", id, PATIENT | {"id": id})
        of = {"id": f"o{id}", "subject": {"reference": f"Patient/{id}"}}
        await service.update(ctx, "Observation", f"o{id}", observation | of)

    assert (await service.read(me, "Patient", "a")).version == 1
    assert (await service.read(me, "Observation", "oa")).version == 1
    for type, id in (("Patient", "b"), ("Observation", "ob")):
        with pytest.raises(NotFound):
            await service.read(me, type, id)
        with pytest.raises(NotFound):
            await service.history(me, type, id)
        assert not (await service.delete(me, type, id)).changed
        assert (await service.read(ctx, type, id)).version == 1
    found = await service.find(me, "Observation", [])
    assert [version.id for version in found] == ["oa"]
    stolen = observation | {"id": "ob", "subject": {"reference": "Patient/a"}}
    with pytest.raises(Forbidden):
        await service.update(me, "Observation", "ob", stolen)
    foreign = observation | {"subject": {"reference": "Patient/b"}}
    with pytest.raises(Forbidden):
        await service.create(me, "Observation", foreign)


async def test_a_patient_scope_without_a_patient_allows_nothing(service: FhirService) -> None:
    nobody = Context(Principal("app", ("patient/*.cruds",)), Origin("rest", "app", "t"))

    with pytest.raises(Forbidden):
        await service.read(nobody, "Patient", "a")


async def test_a_deletion_is_known_to_those_who_knew_the_resource(
    service: FhirService, ctx: Context
) -> None:
    await service.update(ctx, "Patient", "a", PATIENT | {"id": "a"})
    await service.delete(ctx, "Patient", "a")
    me = Context(Principal("app", ("patient/*.rs",), "a"), Origin("rest", "app", "t"))
    other = Context(Principal("app", ("patient/*.rs",), "b"), Origin("rest", "app", "t"))

    with pytest.raises(Gone):
        await service.read(me, "Patient", "a")
    with pytest.raises(NotFound):
        await service.read(other, "Patient", "a")


async def test_each_version_keeps_where_it_came_from(
    service: FhirService, ctx: Context, store: Store
) -> None:
    mllp = Context(Principal("lab", ("system/*.cruds",)), Origin("hl7v2", "10.0.0.7", "MSG-1"))
    await service.update(mllp, "Patient", "a", PATIENT | {"id": "a"})
    await service.delete(ctx, "Patient", "a")

    old = await store.collections.history.find_one({})
    new = await store.collections.resources.find_one({})

    assert old is not None
    assert old["o"] == ["hl7v2", "lab", "10.0.0.7", "MSG-1"]
    assert new is not None
    assert new["o"] == ["rest", "tester", "tester", "test"]


async def test_what_was_refused_in_a_group_stays_refused(
    service: FhirService, ctx: Context, store: Store
) -> None:
    # Two stores are two processes: they conflict on `Patient/hot`, so groups are tried alone.
    other = FhirService(Store(store.collections), Fhir())
    body = PATIENT | {"id": "late"}

    async def hammer(door: FhirService) -> None:
        for number in range(20):
            hot = PATIENT | {"id": "hot", "name": [{"family": f"{id(door)}-{number}"}]}
            await door.update(ctx, "Patient", "hot", hot)

    async def refused() -> None:
        for _ in range(40):
            with pytest.raises(PreconditionFailed):
                await service.update(ctx, "Patient", "late", body, if_match=9)

    await asyncio.gather(hammer(service), hammer(other), refused(), refused())

    assert await store.collections.resources.count_documents({"_id": "Patient/late"}) == 0
    assert (await service.read(ctx, "Patient", "hot")).version == 40
