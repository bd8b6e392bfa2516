"""https://hl7.org/fhir/R4/http.html#transaction"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from fhir_server.model import Context, Message
from fhir_server.service import FhirService
from fhir_server.store.store import Store
from kernel.errors import (
    BadStructure,
    FhirError,
    Invalid,
    NotFound,
    PreconditionFailed,
    TooLarge,
    Unprocessable,
)
from tests.integration.fhir.bundles import (
    OBSERVATION,
    PATIENT,
    bundle,
    entry,
    stored,
)


async def test_placeholders_become_references_everywhere(
    service: FhirService, ctx: Context
) -> None:
    urn = "urn:uuid:11111111-1111-4111-8111-111111111111"
    observation = OBSERVATION | {
        "subject": {"reference": urn},
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": urn}],
        "extension": [{"url": "http://example.org/e", "valueUri": urn}],
    }

    answer = await service.bundle(
        ctx,
        bundle(entry("POST", "Observation", observation), entry("POST", "Patient", PATIENT, urn)),
    )

    assert [e["response"]["status"] for e in answer["entry"]] == ["201 Created"] * 2
    patient = await stored(service, ctx, answer, 1)
    found = await stored(service, ctx, answer, 0)
    assert found["subject"]["reference"] == f"Patient/{patient['id']}"
    assert found["extension"][0]["valueUri"] == f"Patient/{patient['id']}"
    assert found["identifier"][0]["value"] == urn


async def test_all_or_nothing(service: FhirService, ctx: Context, store: Store) -> None:
    broken = OBSERVATION | {"status": "nonsense"}

    with pytest.raises(Invalid) as refused:
        await service.bundle(
            ctx, bundle(entry("POST", "Patient", PATIENT), entry("POST", "Observation", broken))
        )

    assert refused.value.issues[0].expression == ("Bundle.entry[1].resource.status",)
    assert await store.collections.resources.count_documents({}) == 0
    assert await store.collections.events.count_documents({}) == 0


async def test_conditional_references_are_resolved(service: FhirService, ctx: Context) -> None:
    await service.update(ctx, "Patient", "known", PATIENT | {"id": "known"})
    observation = OBSERVATION | {"subject": {"reference": "Patient?identifier=urn:oid:1.2|7"}}

    answer = await service.bundle(ctx, bundle(entry("POST", "Observation", observation)))

    assert (await stored(service, ctx, answer, 0))["subject"]["reference"] == "Patient/known"


async def test_a_conditional_reference_without_match_is_refused(
    service: FhirService, ctx: Context, store: Store
) -> None:
    observation = OBSERVATION | {"subject": {"reference": "Patient?identifier=nobody"}}

    with pytest.raises(PreconditionFailed, match="No resource matches the reference"):
        await service.bundle(ctx, bundle(entry("POST", "Observation", observation)))

    assert await store.collections.resources.count_documents({}) == 0


async def test_if_none_exist_points_to_what_exists(service: FhirService, ctx: Context) -> None:
    await service.update(ctx, "Patient", "known", PATIENT | {"id": "known"})
    urn = "urn:uuid:11111111-1111-4111-8111-111111111111"

    answer = await service.bundle(
        ctx,
        bundle(
            entry("POST", "Patient", PATIENT, urn, ifNoneExist="identifier=urn:oid:1.2|7"),
            entry("POST", "Observation", OBSERVATION | {"subject": {"reference": urn}}),
        ),
    )

    assert answer["entry"][0]["response"]["status"] == "200 OK"
    assert (await stored(service, ctx, answer, 1))["subject"]["reference"] == "Patient/known"


async def test_the_same_bundle_twice_makes_no_duplicates(
    service: FhirService, ctx: Context, store: Store
) -> None:
    again = bundle(entry("POST", "Patient", PATIENT, ifNoneExist="identifier=7"))

    answers = await asyncio.gather(*(service.bundle(ctx, again) for _ in range(4)))

    statuses = sorted(answer["entry"][0]["response"]["status"] for answer in answers)
    assert statuses == ["200 OK"] * 3 + ["201 Created"]
    assert await store.collections.resources.count_documents({}) == 1


async def test_put_delete_and_get_in_one_transaction(service: FhirService, ctx: Context) -> None:
    await service.update(ctx, "Patient", "old", PATIENT | {"id": "old"})

    answer = await service.bundle(
        ctx,
        bundle(
            entry("GET", "Patient?identifier=7"),
            entry("PUT", "Patient/new", PATIENT | {"id": "new"}, ifMatch='W/"0"'),
            entry("DELETE", "Patient/old"),
        ),
    )

    statuses = [e["response"]["status"] for e in answer["entry"]]
    assert statuses == ["200 OK", "201 Created", "204 No Content"]
    page = msgspec.json.decode(bytes(answer["entry"][0]["resource"]))
    assert [e["resource"]["id"] for e in page["entry"]] == ["new"]


async def test_to_delete_nothing_is_a_success(service: FhirService, ctx: Context) -> None:
    answer = await service.bundle(ctx, bundle(entry("DELETE", "Patient/none")))

    assert answer["entry"] == [{"response": {"status": "204 No Content"}}]


async def test_two_entries_may_not_write_one_resource(service: FhirService, ctx: Context) -> None:
    put = entry("PUT", "Patient/a", PATIENT | {"id": "a"})

    with pytest.raises(Invalid, match=r"entry\[0\]` and `Bundle.entry\[1\]` both write"):
        await service.bundle(ctx, bundle(put, put))


async def test_an_if_match_that_fails_undoes_all(
    service: FhirService, ctx: Context, store: Store
) -> None:
    with pytest.raises(PreconditionFailed):
        await service.bundle(
            ctx,
            bundle(
                entry("POST", "Patient", PATIENT),
                entry("PUT", "Patient/a", PATIENT | {"id": "a"}, ifMatch='W/"3"'),
            ),
        )

    assert await store.collections.resources.count_documents({}) == 0


async def test_a_message_is_stored_with_what_it_produced(
    service: FhirService, ctx: Context
) -> None:
    message = Message("m1", "hl7v2", "peer", "42", "ADT^A01", "applied", 1, b"MSH|", answer=b"AA")

    await service.bundle(
        ctx, bundle(entry("PUT", "Patient/a", PATIENT | {"id": "a"})), message=message
    )

    kept = await service.message(ctx, "m1")
    assert kept is not None
    assert (kept.raw, kept.answer) == (b"MSH|", b"AA")
    assert kept.produced == ("Patient/a/_history/1",)


async def test_a_message_is_not_stored_if_its_resources_are_not(
    service: FhirService, ctx: Context
) -> None:
    message = Message("m1", "hl7v2", "peer", "42", "ADT^A01", "applied", 1, b"MSH|")

    with pytest.raises(FhirError):
        await service.bundle(
            ctx, bundle(entry("DELETE", "Patient/none", ifMatch='W/"1"')), message=message
        )

    assert await service.message(ctx, "m1") is None


async def test_entries_of_a_batch_stand_for_themselves(service: FhirService, ctx: Context) -> None:
    answer = await service.bundle(
        ctx,
        bundle(
            entry("POST", "Patient", PATIENT),
            entry("POST", "Observation", OBSERVATION | {"status": "nonsense"}),
            entry("GET", "Patient/none"),
            type="batch",
        ),
    )

    statuses = [e["response"]["status"] for e in answer["entry"]]
    assert answer["type"] == "batch-response"
    assert statuses == ["201 Created", "400", "404"]
    assert answer["entry"][2]["response"]["outcome"]["issue"][0]["code"] == "not-found"


async def test_an_entry_of_a_batch_that_makes_no_sense_is_refused_in_its_place(
    service: FhirService, ctx: Context
) -> None:
    answer = await service.bundle(
        ctx,
        bundle(
            entry("GET", "Nonsense/1"),
            entry("TRACE", "Patient/a"),
            entry("POST", "Patient"),
            entry("PUT", "Patient/a", PATIENT | {"id": "a"}, ifMatch="1"),
            entry("PUT", f"Patient/{'a' * 65}", PATIENT),
            {"resource": PATIENT},
            entry("POST", "Patient", PATIENT),
            type="batch",
        ),
    )

    answers = [e["response"] for e in answer["entry"]]
    assert [a["status"] for a in answers] == [
        "400",
        "422",
        "400",
        "400",
        "400",
        "400",
        "201 Created",
    ]
    named = [a["outcome"]["issue"][0]["expression"][0] for a in answers[:-1]]
    assert all(name.startswith(f"Bundle.entry[{n}]") for n, name in enumerate(named)), named


@pytest.mark.parametrize(
    ("body", "error", "text"),
    [
        (b"[]", BadStructure, "Expected `object`"),
        (b'{"resourceType":"Bundle"', BadStructure, "not JSON"),
        (bundle(type="document"), Invalid, "`transaction` or `batch`"),
        (bundle({"resource": PATIENT}), BadStructure, "needs a `request`"),
        (bundle(entry("TRACE", "Patient/a")), Unprocessable, "`TRACE` is not supported"),
        (bundle(entry("PATCH", "Patient/a")), Invalid, "PATCH needs a resource"),
        (bundle(entry("DELETE", "Patient")), Invalid, "DELETE in a Bundle goes to"),
        (bundle(entry("DELETE", "Patient/a/_history")), Invalid, "DELETE in a Bundle goes to"),
        (bundle(entry("POST", "Patient/a", PATIENT)), Invalid, "POST in a Bundle goes to"),
        (bundle(entry("POST", "", PATIENT)), Invalid, "POST in a Bundle goes to"),
        (bundle(entry("PUT", "Patient/a/$x", PATIENT)), Invalid, "PUT in a Bundle goes to"),
        (bundle(entry("GET", "Patient/a", ifMatch='W/"1"')), Invalid, "says nothing about a GET"),
        (bundle(entry("PUT", "Patient/a", PATIENT, ifMatch="1")), Invalid, "not an entity tag"),
        (bundle(entry("POST", "Patient", PATIENT, ifNoneExist="")), Invalid, "no search parameter"),
        (bundle(entry("POST", "Nonsense", PATIENT)), Invalid, "not a URL"),
        (bundle(entry("POST", "Patient")), Invalid, "needs a resource"),
        (bundle(entry("PUT", "Patient", PATIENT)), Invalid, "goes to"),
        (bundle(entry("PUT", "Patient/a", PATIENT)), Invalid, "`id` is ``"),
        (bundle(*[entry("GET", "Patient/a")] * 5001), TooLarge, "5000 are accepted"),
        (bundle(entry("GET", "Patient/none")), NotFound, "was not found"),
    ],
)
async def test_a_bad_bundle_is_told_why(
    service: FhirService, ctx: Context, body: Any, error: type[FhirError], text: str
) -> None:
    with pytest.raises(error, match=text.replace("`", ".")):
        await service.bundle(ctx, body)
