"""https://hl7.org/fhir/R4/http.html#trules"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fhir_server.model import Context, Principal
from fhir_server.service import FhirService
from fhir_server.store.store import Store
from kernel.errors import FhirError, Invalid, MultipleMatches, PreconditionFailed
from tests.integration.fhir.bundles import OBSERVATION, PATIENT, bundle, entry, json_patch, stored

URN = "urn:uuid:11111111-1111-4111-8111-111111111111"


async def run(service: FhirService, ctx: Context, *entries: Any) -> list[Any]:
    answer = await service.bundle(ctx, bundle(*entries))
    found: list[Any] = answer["entry"]
    return found


async def there(service: FhirService, ctx: Context, answer: Any) -> Any:
    return await stored(service, ctx, {"entry": [answer]}, 0)


def about(reference: str) -> dict[str, Any]:
    return OBSERVATION | {"subject": {"reference": reference}}


@pytest.mark.parametrize(
    "reference", ["Patient/x", "http://h/fhir/Patient/x", "http://h/fhir/Patient/x/_history/1"]
)
async def test_a_reference_follows_a_resource_to_its_new_id(
    service: FhirService, ctx: Context, reference: str
) -> None:
    patient, observation = await run(
        service,
        ctx,
        entry("POST", "Patient", PATIENT | {"id": "x"}, "http://h/fhir/Patient/x"),
        entry("POST", "Observation", about(reference), "http://h/fhir/Observation/y"),
    )

    id = (await there(service, ctx, patient))["id"]
    tail = reference.partition("/_history/")[2]
    found = (await there(service, ctx, observation))["subject"]["reference"]
    assert id != "x"
    assert found == f"Patient/{id}" + (f"/_history/{tail}" if tail else "")


async def test_a_reference_may_go_both_ways(service: FhirService, ctx: Context) -> None:
    other = "urn:uuid:22222222-2222-4222-8222-222222222222"
    one, two = await run(
        service,
        ctx,
        entry("POST", "Patient", PATIENT | {"link": [_link(other)]}, URN),
        entry("PUT", "Patient/b", PATIENT | {"id": "b", "link": [_link(URN)]}, other),
    )

    first, second = await there(service, ctx, one), await there(service, ctx, two)
    assert first["link"][0]["other"]["reference"] == "Patient/b"
    assert second["link"][0]["other"]["reference"] == f"Patient/{first['id']}"


def _link(reference: str) -> dict[str, Any]:
    return {"other": {"reference": reference}, "type": "seealso"}


async def test_a_placeholder_of_a_conditional_update_is_what_matches(
    service: FhirService, ctx: Context
) -> None:
    await service.update(ctx, "Patient", "known", PATIENT | {"id": "known"})
    body = PATIENT | {"active": True}

    put, post = await run(
        service,
        ctx,
        entry("PUT", "Patient?identifier=urn:oid:1.2|7", body, URN),
        entry("POST", "Observation", about(URN)),
    )

    assert put["response"]["status"] == "200 OK"
    assert (await there(service, ctx, post))["subject"]["reference"] == "Patient/known"


async def test_a_conditional_update_that_creates_does_so_under_the_id_that_is_referred_to(
    service: FhirService, ctx: Context
) -> None:
    put, post = await run(
        service,
        ctx,
        entry("PUT", "Patient?identifier=urn:oid:1.2|7", PATIENT, URN),
        entry("POST", "Observation", about(URN)),
    )

    id = (await there(service, ctx, put))["id"]
    assert put["response"]["status"] == "201 Created"
    assert (await there(service, ctx, post))["subject"]["reference"] == f"Patient/{id}"


async def test_a_patch_may_use_a_placeholder(service: FhirService, ctx: Context) -> None:
    await service.update(ctx, "Observation", "o", OBSERVATION | {"id": "o"})
    patch = json_patch({"op": "add", "path": "/subject", "value": {"reference": URN}})

    answers = await run(
        service,
        ctx,
        entry("PATCH", "Observation/o", patch),
        entry("POST", "Patient", PATIENT, URN),
    )

    id = (await there(service, ctx, answers[1]))["id"]
    assert (await there(service, ctx, answers[0]))["subject"]["reference"] == f"Patient/{id}"


CRITERIA = "Patient?identifier=urn:oid:1.2|7"


@pytest.mark.parametrize(
    "made",
    [
        entry("POST", "Patient", PATIENT),
        entry("POST", "Patient", PATIENT, ifNoneExist="identifier=7"),
        entry("PUT", "Patient/a", PATIENT | {"id": "a"}),
        entry("PUT", "Patient?identifier=7", PATIENT),
    ],
)
async def test_a_conditional_reference_is_resolved_last(
    service: FhirService, ctx: Context, made: Any
) -> None:
    for _ in range(2):  # the second time there is one to be replaced
        observation, patient = await run(
            service, ctx, entry("POST", "Observation", about(CRITERIA)), made
        )
        if made["request"]["method"] == "POST":
            made = made | {"request": made["request"] | {"ifNoneExist": "identifier=7"}}

        to = (await there(service, ctx, observation))["subject"]["reference"]
        assert to == patient["response"]["location"].rpartition("/_history")[0]


@pytest.mark.parametrize(
    "entries",
    [
        (entry("DELETE", "Patient/a"),),
        (entry("PUT", "Patient/a", {"resourceType": "Patient", "id": "a"}),),
        (entry("DELETE", "Patient?identifier=7"),),
    ],
)
async def test_a_conditional_reference_does_not_see_what_the_bundle_takes_away(
    service: FhirService, ctx: Context, store: Store, entries: Any
) -> None:
    await service.update(ctx, "Patient", "a", PATIENT | {"id": "a"})

    with pytest.raises(PreconditionFailed, match="No resource matches the reference"):
        await run(service, ctx, *entries, entry("POST", "Observation", about(CRITERIA)))

    assert await store.collections.resources.count_documents({"v": 1}) == 1


async def test_a_conditional_reference_to_two_that_the_bundle_makes_is_refused(
    service: FhirService, ctx: Context, store: Store
) -> None:
    with pytest.raises(MultipleMatches, match="2 resources match the reference"):
        await run(
            service,
            ctx,
            entry("POST", "Patient", PATIENT),
            entry("POST", "Patient", PATIENT),
            entry("POST", "Observation", about(CRITERIA)),
        )

    assert await store.collections.resources.count_documents({}) == 0


async def test_a_conditional_reference_may_depend_on_a_placeholder(
    service: FhirService, ctx: Context
) -> None:
    report = {"resourceType": "DiagnosticReport", "status": "final", "code": {"text": "x"}}
    await service.update(ctx, "Patient", "a", PATIENT | {"id": "a"})

    made = await run(
        service,
        ctx,
        entry("PUT", "Patient/a", PATIENT | {"id": "a", "active": True}, URN),
        entry("POST", "Observation", about(URN)),
        entry(
            "POST",
            "DiagnosticReport",
            report | {"result": [{"reference": "Observation?subject=Patient/a"}]},
        ),
    )

    to = (await there(service, ctx, made[2]))["result"][0]["reference"]
    assert to == made[1]["response"]["location"].rpartition("/_history")[0]


async def test_what_a_caller_may_not_search_is_no_target_of_criteria(
    service: FhirService, ctx: Context
) -> None:
    scopes = ("patient/Patient.s", "system/Patient.c", "system/Observation.c")
    bound = replace(ctx, principal=Principal("app", scopes, "a"))

    with pytest.raises(PreconditionFailed, match="No resource matches the reference"):
        await run(
            service,
            bound,
            entry("POST", "Patient", PATIENT),
            entry("POST", "Observation", about(CRITERIA)),
        )


@pytest.mark.parametrize("others", [("PUT", "PUT"), ("PUT", "POST"), ("POST", "PUT")])
async def test_two_entries_that_would_both_make_what_their_condition_misses_are_refused(
    service: FhirService, ctx: Context, store: Store, others: tuple[str, str]
) -> None:
    made = {
        "PUT": entry("PUT", "Patient?identifier=urn:oid:1.2|7", PATIENT),
        "POST": entry("POST", "Patient", PATIENT, ifNoneExist="identifier=urn:oid:1.2|7"),
    }

    with pytest.raises(Invalid, match="both write") as refused:
        await run(service, ctx, *(made[method] for method in others))

    assert refused.value.issues[0].expression == ("Bundle.entry[0]", "Bundle.entry[1]")
    assert await store.collections.resources.count_documents({}) == 0


async def test_a_conditional_reference_to_several_is_refused(
    service: FhirService, ctx: Context
) -> None:
    for _ in range(2):
        await service.create(ctx, "Patient", PATIENT)

    with pytest.raises(MultipleMatches, match="3 resources match the reference") as refused:
        await run(
            service,
            ctx,
            entry("POST", "Patient", PATIENT),
            entry("POST", "Observation", about("Patient?identifier=7")),
        )

    assert refused.value.issues[0].expression == ("Bundle.entry[1].resource",)


@pytest.mark.parametrize(
    ("reference", "status"),
    [("Patient?nonsense=7", 400), ("Nonsense?a=7", 404), ("Patient?identifier=none", 412)],
)
async def test_a_conditional_reference_that_is_refused_names_its_entry(
    service: FhirService, ctx: Context, reference: str, status: int
) -> None:
    with pytest.raises(FhirError) as refused:
        await run(
            service,
            ctx,
            entry("POST", "Patient", PATIENT),
            entry("POST", "Observation", about(reference)),
        )

    assert refused.value.status == status
    assert refused.value.issues[0].expression[0].startswith("Bundle.entry[1].resource")


async def test_two_entries_of_one_full_url_are_refused(service: FhirService, ctx: Context) -> None:
    with pytest.raises(Invalid, match="have one `fullUrl`") as refused:
        await run(
            service,
            ctx,
            entry("POST", "Patient", PATIENT, URN),
            entry("POST", "Observation", OBSERVATION, URN),
        )

    assert refused.value.issues[0].expression == (
        "Bundle.entry[0].fullUrl",
        "Bundle.entry[1].fullUrl",
    )


async def test_an_absolute_reference_to_an_updated_entry_becomes_local(
    service: FhirService, ctx: Context
) -> None:
    _, observation = await run(
        service,
        ctx,
        entry("PUT", "Patient/a", PATIENT | {"id": "a"}, "http://elsewhere/fhir/Patient/a"),
        entry("POST", "Observation", about("http://elsewhere/fhir/Patient/a")),
    )

    assert (await there(service, ctx, observation))["subject"]["reference"] == "Patient/a"


@pytest.mark.parametrize(
    "criteria",
    [
        "identifier=7&active=true",
        "identifier=urn:oid:1.2|7,urn:oid:1.2|8",
        "identifier=7&birthdate=ge1990",
        "family=Sm",
        "birthdate=1990-01-02&gender:not=male",
        "active:missing=false",
    ],
)
async def test_criteria_of_any_kind_find_what_the_bundle_makes(
    service: FhirService, ctx: Context, criteria: str
) -> None:
    meant = PATIENT | {"active": True, "birthDate": "1990-01-02", "name": [{"family": "Smith"}]}

    made = await run(
        service,
        ctx,
        entry("POST", "Patient", meant),
        entry("POST", "Patient", {"resourceType": "Patient", "gender": "male"}),
        entry("POST", "Observation", about(f"Patient?{criteria}")),
    )

    to = (await there(service, ctx, made[2]))["subject"]["reference"]
    assert to == made[0]["response"]["location"].rpartition("/_history")[0]
