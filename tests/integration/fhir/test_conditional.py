"""https://hl7.org/fhir/R4/http.html#cond-update"""

from __future__ import annotations

import asyncio

import pytest

from fhir_server.model import Context, Deleted, Origin, Principal
from fhir_server.service import FhirService
from fhir_server.store.store import Store
from kernel.errors import (
    BadValue,
    Conflict,
    FhirError,
    Forbidden,
    Gone,
    Invalid,
    MultipleMatches,
    PreconditionFailed,
    TooLarge,
)
from kernel.settings import Fhir

PATIENT = {"resourceType": "Patient", "identifier": [{"system": "urn:oid:1.2.3", "value": "7"}]}
SEVEN = "identifier=urn:oid:1.2.3|7"


def doors(store: Store) -> list[FhirService]:
    """Two processes, whose transactions conflict."""
    return [FhirService(Store(store.collections), Fhir()) for _ in range(2)]


async def test_eight_equal_conditional_creates_make_one(ctx: Context, store: Store) -> None:
    two = doors(store)

    results = await asyncio.gather(
        *(two[n % 2].create(ctx, "Patient", PATIENT, if_none_exist=SEVEN) for n in range(8))
    )

    assert sorted(result.status for result in results) == [200] * 7 + [201]
    assert len({result.version.reference for result in results}) == 1


async def test_eight_equal_conditional_updates_make_one(ctx: Context, store: Store) -> None:
    two = doors(store)

    results = await asyncio.gather(
        *(two[n % 2].conditional_update(ctx, "Patient", SEVEN, PATIENT) for n in range(8))
    )

    assert sorted(result.status for result in results) == [200] * 7 + [201]
    assert len({result.version.reference for result in results}) == 1
    assert {result.version.version for result in results} == {1}


async def test_a_conditional_update_without_a_match_creates_under_the_id_of_the_body(
    service: FhirService, ctx: Context
) -> None:
    result = await service.conditional_update(ctx, "Patient", SEVEN, PATIENT | {"id": "mine"})

    assert (result.status, result.version.reference) == (201, "Patient/mine")


async def test_an_id_that_is_in_use_is_not_taken_by_a_conditional_update(
    service: FhirService, ctx: Context
) -> None:
    other = {"resourceType": "Patient", "id": "mine", "active": True}
    await service.update(ctx, "Patient", "mine", other)

    with pytest.raises(Conflict, match="`Patient/mine` is in use for another resource"):
        await service.conditional_update(ctx, "Patient", SEVEN, PATIENT | {"id": "mine"})
    await service.delete(ctx, "Patient", "mine")
    back = await service.conditional_update(ctx, "Patient", SEVEN, PATIENT | {"id": "mine"})

    assert (back.status, back.version.version) == (201, 3)


async def test_the_body_of_a_conditional_update_may_name_what_matches_and_nothing_else(
    service: FhirService, ctx: Context
) -> None:
    await service.update(ctx, "Patient", "a", PATIENT | {"id": "a"})

    same = await service.conditional_update(
        ctx, "Patient", SEVEN, PATIENT | {"id": "a", "active": True}
    )
    with pytest.raises(BadValue, match="`id` is `b`, but `Patient/a` matches"):
        await service.conditional_update(ctx, "Patient", SEVEN, PATIENT | {"id": "b"})
    with pytest.raises(Invalid, match="is not a valid id"):
        await service.conditional_update(ctx, "Patient", "identifier=8", PATIENT | {"id": "a b"})

    assert (same.status, same.version.version) == (200, 2)


async def test_a_conditional_update_may_expect_a_version(
    service: FhirService, ctx: Context
) -> None:
    with pytest.raises(PreconditionFailed, match="nothing matches"):
        await service.conditional_update(ctx, "Patient", SEVEN, PATIENT, if_match=(1,))
    made = await service.conditional_update(ctx, "Patient", SEVEN, PATIENT, if_match=0)

    with pytest.raises(PreconditionFailed, match="but version `1` is current"):
        await service.conditional_update(ctx, "Patient", SEVEN, PATIENT, if_match=0)
    with pytest.raises(PreconditionFailed, match="expected at version `2`"):
        await service.conditional_update(ctx, "Patient", SEVEN, PATIENT, if_match=2)
    changed = PATIENT | {"active": True}
    done = await service.conditional_update(ctx, "Patient", SEVEN, changed, if_match=(1, 2))

    assert (made.status, done.version.version) == (201, 2)


async def test_several_matches_are_counted_and_the_criteria_named(
    service: FhirService, ctx: Context
) -> None:
    for _ in range(3):
        await service.create(ctx, "Patient", PATIENT)

    with pytest.raises(MultipleMatches, match=r"3 resources match `Patient\?identifier="):
        await service.create(ctx, "Patient", PATIENT, if_none_exist=SEVEN)
    with pytest.raises(MultipleMatches, match="3 resources match"):
        await service.conditional_update(ctx, "Patient", SEVEN, PATIENT)
    await asyncio.gather(*(service.create(ctx, "Patient", PATIENT) for _ in range(9)))
    with pytest.raises(MultipleMatches, match="More than 10 resources match"):
        await service.conditional_update(ctx, "Patient", SEVEN, PATIENT)


@pytest.mark.parametrize(
    "query",
    ["", "Patient?", "identifier=", "identifier=%20", "_count=1", "_format=json&_sort=_id", "&&"],
)
async def test_criteria_that_select_nothing_are_refused(
    service: FhirService, ctx: Context, query: str
) -> None:
    await service.create(ctx, "Patient", PATIENT)

    for write in (
        service.create(ctx, "Patient", PATIENT, if_none_exist=query),
        service.conditional_update(ctx, "Patient", query, PATIENT),
        service.conditional_delete(ctx, "Patient", query),
        service.conditional_patch(
            ctx, "Patient", query, b'[{"op":"remove","path":"/x"}]', "application/json-patch+json"
        ),
    ):
        with pytest.raises(Invalid, match="no search parameter with a value"):
            await write


@pytest.mark.parametrize("query", ["nonsense=1", "identifier=7&nonsense=1", "identifier:foo=7"])
async def test_an_unknown_parameter_is_refused_also_from_the_lenient(
    service: FhirService, query: str
) -> None:
    everyone = Principal("tester", ("system/*.cruds",))
    lenient = Context(everyone, Origin("rest", "tester", "test"), lenient=True)
    made = await service.create(lenient, "Patient", PATIENT)

    with pytest.raises(Invalid):
        await service.conditional_update(lenient, "Patient", query, PATIENT)
    with pytest.raises(Invalid):
        await service.conditional_delete(lenient, "Patient", query)

    assert (await service.read(lenient, "Patient", made.version.id)).version == 1


async def test_parameters_that_shape_an_answer_do_not_disturb(
    service: FhirService, ctx: Context
) -> None:
    await service.update(ctx, "Patient", "a", PATIENT | {"id": "a"})

    done = await service.conditional_update(
        ctx, "Patient", f"{SEVEN}&_format=json&_pretty=true", PATIENT
    )

    assert (done.version.reference, done.changed) == ("Patient/a", False)


async def test_a_conditional_delete_removes_all_that_match_at_once(
    service: FhirService, ctx: Context, store: Store
) -> None:
    for id in ("a", "b"):
        await service.update(ctx, "Patient", id, PATIENT | {"id": id})
    await service.update(ctx, "Patient", "c", {"resourceType": "Patient", "id": "c"})
    events = await store.collections.events.count_documents({})

    done = await service.conditional_delete(ctx, "Patient", SEVEN)
    again = await service.conditional_delete(ctx, "Patient", SEVEN)

    assert (done.count, sorted(done.references)) == (2, ["Patient/a", "Patient/b"])
    assert again == Deleted(0, ())
    with pytest.raises(Gone):
        await service.read(ctx, "Patient", "a")
    assert (await service.read(ctx, "Patient", "c")).version == 1
    assert await store.collections.events.count_documents({}) == events + 1


@pytest.mark.parametrize(
    ("limit", "error", "text"),
    [
        (0, MultipleMatches, "3 resources match"),
        (2, TooLarge, r"3 resources match `Patient\?.*`; .* at most 2"),
    ],
)
async def test_a_conditional_delete_of_too_many_deletes_nothing(
    ctx: Context, store: Store, limit: int, error: type[FhirError], text: str
) -> None:
    service = FhirService(store, Fhir(max_conditional_delete=limit))
    for id in ("a", "b", "c"):
        await service.update(ctx, "Patient", id, PATIENT | {"id": id})

    with pytest.raises(error, match=text):
        await service.conditional_delete(ctx, "Patient", SEVEN)

    assert (await service.read(ctx, "Patient", "a")).version == 1


async def test_a_conditional_delete_may_expect_a_version(
    service: FhirService, ctx: Context
) -> None:
    await service.update(ctx, "Patient", "a", PATIENT | {"id": "a"})

    with pytest.raises(PreconditionFailed, match="expected at version `2`"):
        await service.conditional_delete(ctx, "Patient", SEVEN, if_match=2)

    done = await service.conditional_delete(ctx, "Patient", SEVEN, if_match=(1, 2))
    assert done.count == 1


async def test_where_only_single_ones_are_deleted_a_single_match_is(
    ctx: Context, store: Store
) -> None:
    service = FhirService(store, Fhir(max_conditional_delete=0))
    await service.update(ctx, "Patient", "a", PATIENT | {"id": "a"})

    assert await service.conditional_delete(ctx, "Patient", SEVEN) == Deleted(1, ("Patient/a",))


async def test_conditional_writes_see_and_touch_only_what_their_caller_may(
    service: FhirService, ctx: Context
) -> None:
    me = Context(Principal("app", ("patient/*.cruds",), "a"), Origin("rest", "app", "t"))
    blind = Context(Principal("app", ("system/*.cud",)), Origin("rest", "app", "t"))
    for id in ("a", "b"):
        await service.update(ctx, "Patient", id, PATIENT | {"id": id})

    done = await service.conditional_delete(me, "Patient", SEVEN)

    assert done == Deleted(1, ("Patient/a",))
    assert (await service.read(ctx, "Patient", "b")).version == 1
    with pytest.raises(Forbidden, match="do not allow to search"):
        await service.conditional_delete(blind, "Patient", SEVEN)


async def test_criteria_may_look_through_references(service: FhirService, ctx: Context) -> None:
    observation = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
    for id in ("a", "b"):
        await service.update(ctx, "Patient", id, PATIENT | {"id": id, "active": id == "a"})
        about = {"id": f"o{id}", "subject": {"reference": f"Patient/{id}"}}
        await service.update(ctx, "Observation", f"o{id}", observation | about)

    done = await service.conditional_delete(ctx, "Observation", "patient.active=true")
    left = await service.conditional_delete(ctx, "Patient", "_has:Observation:patient:_id=ob")

    assert (done.references, left.references) == (("Observation/oa",), ("Patient/b",))
