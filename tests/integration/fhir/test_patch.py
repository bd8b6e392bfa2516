"""https://hl7.org/fhir/R4/http.html#patch"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from fhir_server import jsonio
from fhir_server.model import ALL, Context, Origin, Principal
from fhir_server.service import FhirService
from fhir_server.store.document import Change
from fhir_server.store.store import Store
from fhir_server.store.unit import Unit
from kernel.errors import (
    BadStructure,
    FhirError,
    Forbidden,
    Gone,
    Invalid,
    MultipleMatches,
    NotFound,
    PreconditionFailed,
    Unprocessable,
    UnsupportedMediaType,
)
from kernel.settings import Fhir

JSON_PATCH = "application/json-patch+json"
FHIR_JSON = "application/fhir+json"
PATIENT = {
    "resourceType": "Patient",
    "id": "a",
    "identifier": [{"system": "urn:oid:1.2.3", "value": "7"}],
    "name": [{"family": "Doe"}],
}


def steps(*operations: dict[str, Any]) -> bytes:
    return msgspec.json.encode(operations)


def add(path: str, value: Any) -> dict[str, Any]:
    return {"op": "add", "path": path, "value": value}


def replacing(path: str, value: dict[str, Any]) -> bytes:
    """A FHIRPath Patch that replaces one value."""
    parts = [{"name": "type", "valueCode": "replace"}, {"name": "path", "valueString": path}]
    operation = {"name": "operation", "part": [*parts, {"name": "value", **value}]}
    return msgspec.json.encode({"resourceType": "Parameters", "parameter": [operation]})


async def current(service: FhirService, ctx: Context, id: str = "a") -> Any:
    return msgspec.json.decode((await service.read(ctx, "Patient", id)).body or b"")


async def test_a_json_patch_makes_the_next_version(service: FhirService, ctx: Context) -> None:
    await service.update(ctx, "Patient", "a", PATIENT)

    result = await service.patch(
        ctx, "Patient", "a", steps(add("/gender", "male")), f"{JSON_PATCH}; charset=utf-8"
    )

    assert (result.status, result.version.version, result.changed) == (200, 2, True)
    found = await current(service, ctx)
    assert (found["gender"], found["meta"]["versionId"]) == ("male", "2")
    assert [v.version for v in await service.find(ctx, "Patient", [("gender", "male")])] == [2]


async def test_a_fhirpath_patch_makes_the_next_version(service: FhirService, ctx: Context) -> None:
    await service.update(ctx, "Patient", "a", PATIENT)
    body = replacing("Patient.name[0].family", {"valueString": "Roe"})

    result = await service.patch(ctx, "Patient", "a", body, FHIR_JSON)

    assert (result.status, result.version.version) == (200, 2)
    assert (await current(service, ctx))["name"] == [{"family": "Roe"}]


async def test_numbers_that_are_not_patched_stay_as_they_were_written(
    service: FhirService, ctx: Context
) -> None:
    body = (
        b'{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},'
        b'"valueQuantity":{"value":1.10}}'
    )
    await service.update(ctx, "Observation", "o", body)

    result = await service.patch(
        ctx, "Observation", "o", steps(add("/valueQuantity/unit", "mg")), JSON_PATCH
    )

    assert b'"valueQuantity":{"value":1.10,"unit":"mg"}' in (result.version.body or b"")


async def test_ten_patches_of_different_members_all_survive(
    service: FhirService, ctx: Context, store: Store
) -> None:
    # Two stores are two processes, whose transactions conflict.
    doors = [service, FhirService(Store(store.collections), Fhir())]
    await service.update(ctx, "Patient", "a", PATIENT)
    systems = [f"urn:example:{number}" for number in range(10)]

    results = await asyncio.gather(
        *(
            doors[number % 2].patch(
                ctx, "Patient", "a", steps(add("/identifier/-", {"system": system})), JSON_PATCH
            )
            for number, system in enumerate(systems)
        )
    )

    assert sorted(result.version.version for result in results) == list(range(2, 12))
    found = await current(service, ctx)
    assert sorted(i["system"] for i in found["identifier"][1:]) == systems


async def test_a_patch_that_changes_nothing_makes_no_version(
    service: FhirService, ctx: Context
) -> None:
    await service.update(ctx, "Patient", "a", PATIENT)
    nothing = steps(
        {"op": "test", "path": "/name/0/family", "value": "Doe"},
        add("/name/0/family", "Doe"),
        add("/meta/versionId", "99"),
    )

    result = await service.patch(ctx, "Patient", "a", nothing, JSON_PATCH)

    assert (result.status, result.changed, result.version.version) == (200, False, 1)


async def test_what_a_removal_leaves_empty_is_gone_too(service: FhirService, ctx: Context) -> None:
    await service.update(ctx, "Patient", "a", PATIENT)
    empty = steps(
        {"op": "remove", "path": "/name/0/family"}, {"op": "remove", "path": "/identifier/0"}
    )

    await service.patch(ctx, "Patient", "a", empty, JSON_PATCH)

    assert (await current(service, ctx)).keys() == {"resourceType", "id", "meta"}


async def test_the_places_beside_primitives_are_kept(service: FhirService, ctx: Context) -> None:
    said = {"extension": [{"url": "http://e", "valueString": "x"}]}
    name = {"given": ["A", "B"], "_given": [said, said]}
    await service.update(ctx, "Patient", "a", PATIENT | {"name": [name]})
    remove = [{"op": "remove", "path": f"/name/0/_given/{n}/extension/0"} for n in (0, 1)]

    await service.patch(ctx, "Patient", "a", steps(remove[0]), JSON_PATCH)
    one = (await current(service, ctx))["name"][0]
    await service.patch(ctx, "Patient", "a", steps(remove[1]), JSON_PATCH)

    assert one["_given"] == [None, said]
    assert (await current(service, ctx))["name"] == [{"given": ["A", "B"]}]


@pytest.mark.parametrize(
    ("operations", "error", "text"),
    [
        (steps(add("/id", "b")), Unprocessable, "changes `id` of `Patient/a`"),
        (steps({"op": "remove", "path": "/id"}), Unprocessable, "changes `id`"),
        (steps(add("/resourceType", "Group")), Unprocessable, "changes `resourceType`"),
        (steps(add("", {})), Unprocessable, "changes `resourceType`"),
        (steps(add("/gender", "F")), Invalid, "`F`"),
        (steps(add("/nonsense", 1)), Invalid, "nonsense"),
        (steps(add("/name/0/given", [None])), Invalid, "null"),
        (
            steps({"op": "test", "path": "/name/0/family", "value": "Roe"}),
            Unprocessable,
            "Operation 1 (`test` at `/name/0/family`)",
        ),
        (b"{}", BadStructure, "array of operations"),
    ],
)
async def test_a_patch_that_cannot_be_applied_changes_nothing(
    service: FhirService,
    ctx: Context,
    operations: bytes,
    error: type[FhirError],
    text: str,
) -> None:
    await service.update(ctx, "Patient", "a", PATIENT)

    with pytest.raises(error) as refused:
        await service.patch(ctx, "Patient", "a", operations, JSON_PATCH)

    assert text in " ".join(issue.diagnostics for issue in refused.value.issues)
    assert (await service.read(ctx, "Patient", "a")).version == 1


@pytest.mark.parametrize(
    ("body", "kind", "error"),
    [
        (steps(add("/gender", "male")), "application/xml-patch+xml", UnsupportedMediaType),
        (steps(add("/gender", "male")), "application/x-patch", UnsupportedMediaType),
        (steps(add("/gender", "male")), "", UnsupportedMediaType),
        (steps(add("/gender", "male")), f"{JSON_PATCH};charset=latin-1", UnsupportedMediaType),
        (steps(add("/gender", "male")), FHIR_JSON, BadStructure),
        (b'{"resourceType":"Patient"}', FHIR_JSON, BadStructure),
        (b"{", FHIR_JSON, BadStructure),
    ],
)
async def test_what_is_no_patch_is_refused_before_anything_is_looked_at(
    service: FhirService, ctx: Context, body: bytes, kind: str, error: type[FhirError]
) -> None:
    with pytest.raises(error):
        await service.patch(ctx, "Patient", "none", body, kind)


async def test_there_must_be_something_to_patch(service: FhirService, ctx: Context) -> None:
    patch = steps(add("/gender", "male"))
    await service.update(ctx, "Patient", "a", PATIENT)
    await service.delete(ctx, "Patient", "a")

    with pytest.raises(NotFound, match="`Patient/none` was not found"):
        await service.patch(ctx, "Patient", "none", patch, JSON_PATCH, if_match=(1,))
    with pytest.raises(Gone, match="`Patient/a` was deleted"):
        await service.patch(ctx, "Patient", "a", patch, JSON_PATCH)


async def test_a_patch_of_another_version_is_refused(service: FhirService, ctx: Context) -> None:
    patch = steps(add("/gender", "male"))
    await service.update(ctx, "Patient", "a", PATIENT)

    with pytest.raises(PreconditionFailed, match="expected at version `2` or `3`"):
        await service.patch(ctx, "Patient", "a", patch, JSON_PATCH, if_match=(2, 3))
    done = await service.patch(ctx, "Patient", "a", patch, JSON_PATCH, if_match=(1, 2))

    assert done.version.version == 2


async def test_a_patch_needs_the_right_to_update_before_and_after(
    service: FhirService, ctx: Context
) -> None:
    me = Context(Principal("app", ("patient/*.cruds",), "a"), Origin("rest", "app", "t"))
    reader = Context(Principal("app", ("system/*.rs",)), Origin("rest", "app", "t"))
    for id in ("a", "b"):
        await service.update(ctx, "Patient", id, PATIENT | {"id": id})
        observation = {"resourceType": "Observation", "id": f"o{id}", "status": "final"}
        about = {"code": {"text": "x"}, "subject": {"reference": f"Patient/{id}"}}
        await service.update(ctx, "Observation", f"o{id}", observation | about)
    stolen = steps(add("/subject/reference", "Patient/b"))

    with pytest.raises(Forbidden):
        await service.patch(reader, "Patient", "a", stolen, JSON_PATCH)
    with pytest.raises(NotFound):
        await service.patch(me, "Observation", "ob", stolen, JSON_PATCH)
    with pytest.raises(Forbidden):
        await service.patch(me, "Observation", "oa", stolen, JSON_PATCH)


async def test_a_conditional_patch_changes_the_one_that_matches(
    service: FhirService, ctx: Context
) -> None:
    patch = steps(add("/gender", "male"))
    await service.update(ctx, "Patient", "a", PATIENT)

    done = await service.conditional_patch(ctx, "Patient", "identifier=7", patch, JSON_PATCH)

    assert (done.version.id, done.version.version) == ("a", 2)
    with pytest.raises(NotFound, match=r"No resource matches `Patient\?identifier=8`"):
        await service.conditional_patch(ctx, "Patient", "identifier=8", patch, JSON_PATCH)
    await service.create(ctx, "Patient", PATIENT)
    with pytest.raises(MultipleMatches, match=r"2 resources match `Patient\?identifier=7`"):
        await service.conditional_patch(ctx, "Patient", "identifier=7", patch, JSON_PATCH)


async def test_a_patch_that_breaks_breaks_nobody_else(
    service: FhirService, ctx: Context, store: Store
) -> None:
    def broken(_: bytes) -> Change:
        raise ZeroDivisionError

    await service.update(ctx, "Patient", "a", PATIENT)
    bad = Change(ALL, "Patient", "a", "PUT", None, edit=broken)

    results = await asyncio.gather(
        *(service.create(ctx, "Patient", PATIENT) for _ in range(4)),
        store.commit(Unit(ctx, [bad])),
        *(service.create(ctx, "Patient", PATIENT) for _ in range(4)),
        return_exceptions=True,
    )

    assert [type(r).__name__ for r in results if isinstance(r, BaseException)] == [
        "ZeroDivisionError"
    ]


@pytest.mark.parametrize("kind", ["application/merge-patch+json", "application/json"])
async def test_a_merge_patch_replaces_and_removes_members(
    service: FhirService, ctx: Context, kind: str
) -> None:
    """https://www.rfc-editor.org/rfc/rfc7396"""
    before = {
        "resourceType": "Patient",
        "id": "a",
        "active": True,
        "name": [{"family": "Doe"}, {"family": "Roe"}],
        "maritalStatus": {"text": "single", "coding": [{"code": "S"}]},
    }
    await service.update(ctx, "Patient", "a", before)
    patch = b'{"active": null, "name": [{"family": "Poe"}], "maritalStatus": {"text": null}}'

    result = await service.patch(ctx, "Patient", "a", patch, kind)

    patched = jsonio.decode(result.version.body or b"")
    assert "active" not in patched
    assert patched["name"] == [{"family": "Poe"}]
    assert patched["maritalStatus"] == {"coding": [{"code": "S"}]}


async def test_plain_json_is_the_patch_that_its_form_says(
    service: FhirService, ctx: Context
) -> None:
    await service.update(ctx, "Patient", "a", {"resourceType": "Patient", "id": "a"})

    result = await service.patch(
        ctx, "Patient", "a", steps(add("/gender", "male")), "application/json"
    )

    assert jsonio.decode(result.version.body or b"")["gender"] == "male"
