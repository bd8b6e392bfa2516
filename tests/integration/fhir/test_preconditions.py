"""https://hl7.org/fhir/R4/http.html#concurrency"""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from fhir_server.model import ANY_VERSION, Context
from fhir_server.service import FhirService
from kernel.errors import Gone, PreconditionFailed

PATIENT = {"resourceType": "Patient", "id": "a", "name": [{"family": "Doe", "given": ["Jo"]}]}


@pytest.fixture
async def second(service: FhirService, ctx: Context) -> None:
    """`Patient/a` at version 2."""
    for active in (True, False):
        await service.update(ctx, "Patient", "a", PATIENT | {"active": active})


@pytest.mark.usefixtures("second")
@pytest.mark.parametrize("expected", [2, (2,), (1, 2), (0, 2), (ANY_VERSION,)])
async def test_an_update_of_an_expected_version_is_done(
    service: FhirService, ctx: Context, expected: int | tuple[int, ...]
) -> None:
    result = await service.update(ctx, "Patient", "a", PATIENT, if_match=expected)

    assert result.version.version == 3


@pytest.mark.usefixtures("second")
@pytest.mark.parametrize("expected", [1, 0, (1, 3), (0,)])
async def test_a_write_of_another_version_is_refused(
    service: FhirService, ctx: Context, expected: int | tuple[int, ...]
) -> None:
    with pytest.raises(PreconditionFailed, match="but version `2` is current"):
        await service.update(ctx, "Patient", "a", PATIENT, if_match=expected)
    with pytest.raises(PreconditionFailed, match="but version `2` is current"):
        await service.delete(ctx, "Patient", "a", if_match=expected)

    assert (await service.read(ctx, "Patient", "a")).version == 2


@pytest.mark.parametrize("expected", [1, (1, 2), (ANY_VERSION,)])
async def test_what_is_not_there_has_no_version_to_expect(
    service: FhirService, ctx: Context, expected: int | tuple[int, ...]
) -> None:
    with pytest.raises(PreconditionFailed, match="but none is current"):
        await service.update(ctx, "Patient", "a", PATIENT, if_match=expected)
    with pytest.raises(PreconditionFailed):
        await service.delete(ctx, "Patient", "a", if_match=expected)


@pytest.mark.usefixtures("second")
async def test_a_deletion_counts_as_nothing(service: FhirService, ctx: Context) -> None:
    await service.delete(ctx, "Patient", "a", if_match=(1, 2))

    for expected in (3, (ANY_VERSION,)):
        with pytest.raises(PreconditionFailed):
            await service.update(ctx, "Patient", "a", PATIENT, if_match=expected)
    back = await service.update(ctx, "Patient", "a", PATIENT, if_match=0)

    assert (back.status, back.version.version) == (201, 4)


async def test_of_eight_who_expect_the_same_version_one_wins(
    service: FhirService, ctx: Context
) -> None:
    await service.update(ctx, "Patient", "a", PATIENT)
    bodies = [PATIENT | {"name": [{"family": str(n)}]} for n in range(8)]

    results = await asyncio.gather(
        *(service.update(ctx, "Patient", "a", body, if_match=1) for body in bodies),
        return_exceptions=True,
    )

    assert sum(isinstance(result, PreconditionFailed) for result in results) == 7
    assert (await service.read(ctx, "Patient", "a")).version == 2


@pytest.mark.parametrize(
    "body",
    [
        b'{"id":"a","name":[{"given":["J\\u00f6"],"family":"D"}],"active":true,"resourceType":"Patient"}',
        b'{\n  "resourceType": "Patient",\n  "id": "a",\n  "active": true,\n'
        b'  "name": [{"family": "D", "given": ["J\xc3\xb6"]}]\n}',
        b'{"resourceType":"Patient","id":"a","meta":{"versionId":"9"},"active":true,'
        b'"name":[{"family":"D","given":["J\xc3\xb6"]}]}',
    ],
)
async def test_another_way_to_write_the_same_makes_no_version(
    service: FhirService, ctx: Context, body: bytes
) -> None:
    given = (
        '{"resourceType":"Patient","id":"a","active":true,"name":[{"family":"D","given":["Jö"]}]}'
    )
    first = await service.update(ctx, "Patient", "a", given.encode())

    again = await service.update(ctx, "Patient", "a", body)

    assert (again.changed, again.version) == (False, first.version)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"name": [{"given": ["A", "B"]}]}, {"name": [{"given": ["B", "A"]}]}),
        ({"active": True}, {"active": False}),
        ({"meta": {"tag": [{"code": "x"}]}}, {"meta": {"tag": [{"code": "y"}]}}),
    ],
)
async def test_other_content_of_the_same_length_makes_a_version(
    service: FhirService, ctx: Context, one: dict[str, object], other: dict[str, object]
) -> None:
    await service.update(ctx, "Patient", "a", {"resourceType": "Patient", "id": "a"} | one)

    done = await service.update(ctx, "Patient", "a", {"resourceType": "Patient", "id": "a"} | other)

    assert (done.changed, done.version.version) == (True, 2)


async def test_the_precision_of_a_number_is_content(service: FhirService, ctx: Context) -> None:
    def body(value: bytes) -> bytes:
        return (
            b'{"resourceType":"Observation","id":"o","status":"final","code":{"text":"\\u00b5"},'
            b'"valueQuantity":{"value":' + value + b"}}"
        )

    await service.update(ctx, "Observation", "o", body(b"1.0"))
    done = await service.update(ctx, "Observation", "o", body(b"1.00"))

    assert done.changed


async def test_a_deleted_id_comes_back_as_the_next_version(
    service: FhirService, ctx: Context
) -> None:
    await service.update(ctx, "Patient", "a", PATIENT)
    await service.delete(ctx, "Patient", "a")

    back = await service.update(ctx, "Patient", "a", PATIENT)

    assert (back.status, back.version.version, back.changed) == (201, 3, True)
    with pytest.raises(Gone):
        await service.vread(ctx, "Patient", "a", 2)
    history = msgspec.json.decode((await service.history(ctx, "Patient", "a")).body)
    assert [e["request"]["method"] for e in history["entry"]] == ["PUT", "DELETE", "PUT"]


async def test_a_history_tells_what_created_a_deleted_id_again(
    service: FhirService, ctx: Context
) -> None:
    await service.update(ctx, "Patient", "a", PATIENT)
    await service.delete(ctx, "Patient", "a")
    await service.update(ctx, "Patient", "a", PATIENT)

    first = msgspec.json.decode((await service.history(ctx, "Patient", "a")).body)
    await service.update(ctx, "Patient", "a", PATIENT | {"active": False})
    later = msgspec.json.decode((await service.type_history(ctx, "Patient")).body)

    assert [e["response"]["status"] for e in first["entry"]] == ["201", "204", "201"]
    assert [e["response"]["status"] for e in later["entry"]] == ["200", "201", "204", "201"]
