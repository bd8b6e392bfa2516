"""https://hl7.org/fhir/R4/http.html#transaction-response"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from fhir_server.model import Context
from fhir_server.service import FhirService
from fhir_server.store.store import Store
from kernel.errors import (
    Conflict,
    FhirError,
    Invalid,
    NotFound,
    PreconditionFailed,
    TooLarge,
)
from kernel.settings import Fhir
from tests.integration.fhir.bundles import (
    PATIENT,
    bundle,
    entry,
    fhirpath_patch,
    json_patch,
    stored,
)


async def test_the_order_is_delete_post_put_get(service: FhirService, ctx: Context) -> None:
    for id in ("old", "p"):
        await service.update(ctx, "Patient", id, PATIENT | {"id": id})

    answer = await service.bundle(
        ctx,
        bundle(
            entry("GET", "Patient?identifier=7&_summary=count"),
            entry(
                "PATCH", "Patient/p", json_patch({"op": "add", "path": "/active", "value": True})
            ),
            entry("PUT", "Patient/q", PATIENT | {"id": "q"}),
            entry("POST", "Patient", PATIENT),
            entry("DELETE", "Patient/old"),
        ),
    )

    statuses = [e["response"]["status"] for e in answer["entry"]]
    assert statuses == ["200 OK", "200 OK", "201 Created", "201 Created", "204 No Content"]
    assert msgspec.json.decode(bytes(answer["entry"][0]["resource"]))["total"] == 3


@pytest.mark.parametrize("type", ["transaction", "batch"])
async def test_patches_of_both_kinds_by_id_and_by_criteria(
    service: FhirService, ctx: Context, type: str
) -> None:
    for id in ("a", "b"):
        body = PATIENT | {"id": id, "identifier": [{"value": id}], "gender": "male"}
        await service.update(ctx, "Patient", id, body)

    answer = await service.bundle(
        ctx,
        bundle(
            entry("PATCH", "Patient/a", json_patch({"op": "remove", "path": "/gender"})),
            entry(
                "PATCH",
                "Patient?identifier=b",
                fhirpath_patch("Patient.gender", {"valueCode": "other"}),
                ifMatch='W/"1", W/"2"',
            ),
            type=type,
        ),
    )

    assert [e["response"]["etag"] for e in answer["entry"]] == ['W/"2"', 'W/"2"']
    assert "gender" not in await stored(service, ctx, answer, 0)
    assert (await stored(service, ctx, answer, 1))["gender"] == "other"


@pytest.mark.parametrize(
    ("patch", "text"),
    [
        (json_patch({"op": "test", "path": "/active", "value": True}), "Operation 1"),
        (json_patch({"op": "add", "path": "/gender", "value": "F"}), "`F`"),
        ({"resourceType": "Binary", "contentType": "application/json-patch+json"}, "`data`"),
        (
            {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": "??"},
            "not base64",
        ),
        (json_patch() | {"contentType": "text/plain"}, "`text/plain` is no patch"),
        (PATIENT, "`resourceType` is `Patient`"),
    ],
)
async def test_a_patch_that_fails_undoes_all_and_names_the_entry(
    service: FhirService, ctx: Context, store: Store, patch: Any, text: str
) -> None:
    await service.update(ctx, "Patient", "a", PATIENT | {"id": "a"})

    with pytest.raises(FhirError) as refused:
        await service.bundle(
            ctx, bundle(entry("POST", "Patient", PATIENT), entry("PATCH", "Patient/a", patch))
        )

    [issue] = refused.value.issues
    assert text in issue.diagnostics
    assert issue.expression[0].startswith("Bundle.entry[1].resource")
    assert await store.collections.resources.count_documents({}) == 1


async def test_what_a_patch_needs_and_is_not_there_names_the_entry(
    service: FhirService, ctx: Context
) -> None:
    patch = json_patch({"op": "remove", "path": "/gender"})

    for url in ("Patient/none", "Patient?identifier=none"):
        with pytest.raises(NotFound) as refused:
            await service.bundle(ctx, bundle(entry("PATCH", url, patch)))
        assert refused.value.issues[0].expression[0].startswith("Bundle.entry[0]")


@pytest.mark.parametrize("type", ["transaction", "batch"])
async def test_a_conditional_delete_removes_all_matches(
    service: FhirService, ctx: Context, type: str
) -> None:
    for id in ("a", "b"):
        await service.update(ctx, "Patient", id, PATIENT | {"id": id})

    answer = await service.bundle(
        ctx,
        bundle(
            entry("DELETE", "Patient?identifier=7"),
            entry("DELETE", "Patient?identifier=none"),
            type=type,
        ),
    )

    assert answer["entry"] == [{"response": {"status": "204 No Content"}}] * 2
    assert await service.find(ctx, "Patient", []) == []


async def test_conditional_deletes_in_a_bundle_have_the_same_limit(
    ctx: Context, store: Store
) -> None:
    service = FhirService(store, Fhir(max_conditional_delete=1))
    for id in ("a", "b"):
        await service.update(ctx, "Patient", id, PATIENT | {"id": id})

    with pytest.raises(TooLarge, match="2 resources match") as refused:
        await service.bundle(ctx, bundle(entry("DELETE", "Patient?identifier=7")))

    assert refused.value.issues[0].code == "too-costly"
    assert len(await service.find(ctx, "Patient", [])) == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (entry("PUT", "Patient/a", PATIENT | {"id": "a"}), entry("DELETE", "Patient/a")),
        (
            entry("PUT", "Patient?identifier=7", PATIENT),
            entry("PUT", "Patient/a", PATIENT | {"id": "a"}),
        ),
        (
            entry("PUT", "Patient?identifier=7", PATIENT),
            entry("PUT", "Patient?identifier=urn:oid:1.2|7", PATIENT),
        ),
        (entry("DELETE", "Patient?identifier=7"), entry("DELETE", "Patient/a")),
        (entry("DELETE", "Patient?identifier=7"), entry("PUT", "Patient?identifier=7", PATIENT)),
        (
            entry("PATCH", "Patient/a", json_patch({"op": "remove", "path": "/x"})),
            entry("PUT", "Patient?identifier=7", PATIENT),
        ),
        (
            entry("POST", "Patient", PATIENT, ifNoneExist="identifier=7"),
            entry("DELETE", "Patient/a"),
        ),
    ],
)
async def test_entries_that_come_to_one_resource_are_refused_naming_both(
    service: FhirService, ctx: Context, one: Any, other: Any
) -> None:
    await service.update(ctx, "Patient", "a", PATIENT | {"id": "a"})

    for pair in ((one, other), (other, one)):
        with pytest.raises(Invalid, match="Patient/a`") as refused:
            await service.bundle(ctx, bundle(*pair))
        assert refused.value.issues[0].expression == ("Bundle.entry[0]", "Bundle.entry[1]")

    assert (await service.read(ctx, "Patient", "a")).version == 1


async def test_two_creates_on_one_condition_make_one_resource(
    service: FhirService, ctx: Context, store: Store
) -> None:
    once = entry("POST", "Patient", PATIENT, ifNoneExist="identifier=7")

    first = await service.bundle(ctx, bundle(once, once))
    again = await service.bundle(ctx, bundle(once, once))

    statuses = [[e["response"]["status"] for e in made["entry"]] for made in (first, again)]
    assert statuses == [["201 Created", "200 OK"], ["200 OK", "200 OK"]]
    assert {e["response"]["etag"] for made in (first, again) for e in made["entry"]} == {'W/"1"'}
    assert await store.collections.resources.count_documents({}) == 1


async def test_a_conditional_update_of_an_id_in_use_names_the_entry(
    service: FhirService, ctx: Context
) -> None:
    await service.update(ctx, "Patient", "a", {"resourceType": "Patient", "id": "a"})

    with pytest.raises(Conflict) as refused:
        await service.bundle(
            ctx, bundle(entry("PUT", "Patient?identifier=7", PATIENT | {"id": "a"}))
        )

    assert refused.value.issues[0].expression == ("Bundle.entry[0].resource.id",)


async def test_preconditions_of_entries(service: FhirService, ctx: Context) -> None:
    await service.update(ctx, "Patient", "a", PATIENT | {"id": "a"})
    put = PATIENT | {"id": "a", "active": True}

    with pytest.raises(PreconditionFailed) as refused:
        await service.bundle(ctx, bundle(entry("PUT", "Patient/a", put, ifNoneMatch="*")))
    with pytest.raises(PreconditionFailed):
        await service.bundle(ctx, bundle(entry("DELETE", "Patient/a", ifMatch='W/"2", W/"3"')))
    answer = await service.bundle(
        ctx, bundle(entry("PUT", "Patient/a", put, ifMatch='W/"2", W/"1"'))
    )

    assert refused.value.issues[0].expression == ("Bundle.entry[0]",)
    assert answer["entry"][0]["response"]["etag"] == 'W/"2"'


@pytest.mark.parametrize("type", ["transaction", "batch"])
async def test_reads_of_every_kind(service: FhirService, ctx: Context, type: str) -> None:
    first = await service.update(ctx, "Patient", "a", PATIENT | {"id": "a"})
    await service.update(ctx, "Patient", "a", PATIENT | {"id": "a", "active": True})
    later, before = "2100-01-01T00:00:00Z", "2000-01-01T00:00:00.000+01:00"

    answer = await service.bundle(
        ctx,
        bundle(
            entry("GET", "Patient/a"),
            entry("HEAD", "Patient/a"),
            entry("GET", "Patient/a/_history/1"),
            entry("GET", "Patient/a/_history"),
            entry("GET", "Patient?_id=a"),
            entry("GET", "Patient/a", ifNoneMatch='W/"1", W/"2"'),
            entry("GET", "Patient/a", ifNoneMatch='W/"1"', ifModifiedSince=later),
            entry("GET", "Patient/a", ifModifiedSince=later),
            entry("GET", "Patient/a", ifModifiedSince=before),
            entry("GET", "metadata"),
            entry("GET", "$versions"),
            entry("GET", "?_type=Patient&_id=a"),
            entry("GET", "Patient/a/*"),
            entry("GET", "Patient/_history"),
            entry("GET", "_history"),
            type=type,
        ),
    )

    found = answer["entry"]
    statuses = [e["response"]["status"].split()[0] for e in found]
    not_modified = [number for number, status in enumerate(statuses) if status == "304"]
    assert (not_modified, set(statuses)) == ([5, 7], {"200", "304"})
    assert [number for number, e in enumerate(found) if "resource" not in e] == [1, 5, 7]
    assert bytes(found[2]["resource"]) == first.version.body
    assert found[5]["response"]["etag"] == 'W/"2"'
    assert found[9]["resource"]["resourceType"] == "CapabilityStatement"
    assert found[10]["resource"]["resourceType"] == "Parameters"
    pages = [msgspec.json.decode(bytes(e["resource"])) for e in found[11:]]
    assert [len(page["entry"]) for page in pages] == [1, 1, 2, 2]


async def test_a_read_sees_what_the_same_bundle_made(service: FhirService, ctx: Context) -> None:
    answer = await service.bundle(
        ctx,
        bundle(entry("GET", "Patient/new"), entry("PUT", "Patient/new", PATIENT | {"id": "new"})),
    )

    assert answer["entry"][0]["response"]["etag"] == 'W/"1"'


@pytest.mark.parametrize(
    "read",
    [
        entry("GET", "Patient/none"),
        entry("GET", "Patient?nonsense=1"),
        entry("GET", "Patient/a"),  # deleted by the same Bundle
        entry("GET", "Patient/b", ifModifiedSince="yesterday"),
        entry("GET", "$nonsense"),
        entry("POST", "Patient/b/$purge", {"resourceType": "Parameters"}),
    ],
)
async def test_a_read_that_cannot_be_answered_undoes_all(
    service: FhirService, ctx: Context, read: Any
) -> None:
    for id in ("a", "b"):
        await service.update(ctx, "Patient", id, PATIENT | {"id": id})

    with pytest.raises(FhirError) as refused:
        await service.bundle(ctx, bundle(read, entry("DELETE", "Patient/a")))

    assert refused.value.issues[0].expression[0].startswith("Bundle.entry[0]")
    assert (await service.read(ctx, "Patient", "a")).version == 1


async def test_an_operation_that_changes_something_is_for_batches(
    service: FhirService, ctx: Context
) -> None:
    await service.update(ctx, "Patient", "a", PATIENT | {"id": "a"})
    purge = entry("POST", "Patient/a/$purge", {"resourceType": "Parameters"})

    answer = await service.bundle(ctx, bundle(purge, type="batch"))

    assert answer["entry"][0]["resource"]["parameter"][0]["valueInteger"] == 1


@pytest.mark.parametrize("type", ["transaction", "batch"])
async def test_answers_hold_what_is_preferred(
    service: FhirService, ctx: Context, type: str
) -> None:
    asked = [replace(ctx, returns=r) for r in ("", "minimal", "representation", "OperationOutcome")]
    put = bundle(entry("PUT", "Patient/a", PATIENT | {"id": "a"}), type=type)
    await service.bundle(ctx, put)

    answers = [(await service.bundle(one, put))["entry"][0] for one in asked]

    assert [answer.keys() - {"response"} for answer in answers] == [
        set(), set(), {"resource", "fullUrl"}, set(),
    ]  # fmt: skip
    assert msgspec.json.decode(bytes(answers[2]["resource"]))["id"] == "a"
    said = answers[3]["response"]["outcome"]["issue"][0]
    assert (said["severity"], "unchanged" in said["diagnostics"]) == ("information", True)


async def test_an_absolute_url_of_ours_is_as_good_as_a_relative_one(
    service: FhirService, ctx: Context
) -> None:
    here = replace(ctx, base="http://here/fhir")

    await service.bundle(
        here, bundle(entry("PUT", "http://here/fhir/Patient/a", PATIENT | {"id": "a"}))
    )
    with pytest.raises(Invalid, match="not a URL that can be run"):
        await service.bundle(here, bundle(entry("GET", "http://there/fhir/Patient/a")))

    assert (await service.read(ctx, "Patient", "a")).version == 1
