"""Removal for good, which https://hl7.org/fhir/R4/http.html#delete leaves to the server."""

from __future__ import annotations

import asyncio
import json

import msgspec
import pytest

from fhir_server.model import Context, Origin, Principal
from fhir_server.operations.operation import Call
from fhir_server.service import FhirService
from fhir_server.store.store import Store
from kernel.errors import Forbidden, Gone, MethodNotAllowed, NotFound, PreconditionFailed

PATIENT = {"resourceType": "Patient", "id": "a"}


async def versions(service: FhirService, ctx: Context, count: int, id: str = "a") -> None:
    for number in range(count):
        body = PATIENT | {"id": id, "name": [{"family": str(number)}]}
        await service.update(ctx, "Patient", id, body)


async def test_a_history_can_be_deleted_and_the_current_version_stays(
    service: FhirService, ctx: Context
) -> None:
    await versions(service, ctx, 3)
    await versions(service, ctx, 2, "ab")

    removed = await service.delete_history(ctx, "Patient", "a")

    assert removed == 2
    assert (await service.read(ctx, "Patient", "a")).version == 3
    with pytest.raises(NotFound):
        await service.vread(ctx, "Patient", "a", 2)
    assert (await service.vread(ctx, "Patient", "ab", 1)).version == 1
    assert await service.delete_history(ctx, "Patient", "a") == 0


async def test_a_deletion_stays_one_without_its_history(service: FhirService, ctx: Context) -> None:
    await versions(service, ctx, 2)
    await service.delete(ctx, "Patient", "a")

    assert await service.delete_history(ctx, "Patient", "a") == 2

    with pytest.raises(Gone):
        await service.read(ctx, "Patient", "a")


async def test_what_is_purged_was_never_there(
    service: FhirService, ctx: Context, store: Store
) -> None:
    await versions(service, ctx, 3)
    await versions(service, ctx, 1, "b")

    removed = await service.purge(ctx, "Patient", "a")

    assert removed == 3
    for reading in (
        service.read(ctx, "Patient", "a"),
        service.vread(ctx, "Patient", "a", 1),
        service.history(ctx, "Patient", "a"),
        service.purge(ctx, "Patient", "a"),
        service.delete_history(ctx, "Patient", "a"),
    ):
        with pytest.raises(NotFound):
            await reading
    assert [v.id for v in await service.find(ctx, "Patient", [])] == ["b"]
    assert await store.collections.history.count_documents({}) == 0
    back = await service.update(ctx, "Patient", "a", PATIENT)
    assert (back.status, back.version.version) == (201, 1)


async def test_a_purge_tells_those_who_follow(
    service: FhirService, ctx: Context, store: Store
) -> None:
    await versions(service, ctx, 2)

    await service.purge(ctx, "Patient", "a")

    [event] = await store.collections.events.find(sort=[("_id", -1)], limit=1).to_list()
    assert event["c"][0][:4] == ["Patient/a", 2, "delete", "rest"]


async def test_a_purge_is_logged_with_the_id_and_nothing_else(
    service: FhirService, ctx: Context, capfd: pytest.CaptureFixture[str]
) -> None:
    await service.update(ctx, "Patient", "a", PATIENT | {"name": [{"family": "Geheim"}]})

    await service.purge(ctx, "Patient", "a")

    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines() if line[:1] == "{"]
    [line] = [line for line in lines if line["event"] == "resource.purged"]
    assert (line["reference"], line["versions"], line["by"]) == ("Patient/a", 1, "tester")
    assert "Geheim" not in str(lines)


@pytest.mark.parametrize("scope", ["system/*.rs", "system/Patient.cruds", "user/*.cruds"])
async def test_only_administrators_remove_for_good(
    service: FhirService, ctx: Context, scope: str
) -> None:
    await versions(service, ctx, 2)
    someone = Context(Principal("app", (scope,)), Origin("rest", "app", "t"))

    for removal in (
        service.purge(someone, "Patient", "a"),
        service.delete_history(someone, "Patient", "a"),
        service.operation(someone, "purge", Call("Patient", "a"), safe=False),
    ):
        with pytest.raises(Forbidden, match="for administrators"):
            await removal

    assert (await service.vread(ctx, "Patient", "a", 1)).version == 1


async def test_the_operation_says_how_many_versions_it_removed(
    service: FhirService, ctx: Context
) -> None:
    await versions(service, ctx, 2)

    with pytest.raises(MethodNotAllowed):
        await service.operation(ctx, "purge", Call("Patient", "a"), safe=True)
    with pytest.raises(NotFound):
        await service.operation(ctx, "purge", Call("Patient"), safe=False)
    answer = await service.operation(ctx, "purge", Call("Patient", "a"), safe=False)

    assert answer["parameter"] == [{"name": "versions", "valueInteger": 2}]


async def test_a_purge_between_updates_leaves_a_history_without_gaps(
    service: FhirService, ctx: Context
) -> None:
    await versions(service, ctx, 2)
    bodies = [PATIENT | {"name": [{"family": f"late {n}"}]} for n in range(10)]

    await asyncio.gather(
        *(service.update(ctx, "Patient", "a", body) for body in bodies[:5]),
        service.purge(ctx, "Patient", "a"),
        *(service.update(ctx, "Patient", "a", body) for body in bodies[5:]),
        return_exceptions=False,
    )

    try:
        page = await service.history(ctx, "Patient", "a", [("_count", "50")])
    except NotFound:  # the purge came last
        return
    found = [e["resource"]["meta"]["versionId"] for e in msgspec.json.decode(page.body)["entry"]]
    assert found == [str(number) for number in range(len(found), 0, -1)]


async def test_a_version_that_was_purged_is_not_expected_any_more(
    service: FhirService, ctx: Context
) -> None:
    await versions(service, ctx, 2)
    await service.purge(ctx, "Patient", "a")

    with pytest.raises(PreconditionFailed):
        await service.update(ctx, "Patient", "a", PATIENT, if_match=2)
