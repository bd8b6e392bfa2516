"""fhirpy, a client in Python, synchronous and asynchronous.

https://github.com/beda-software/fhir-py
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from fhirpy import AsyncFHIRClient, SyncFHIRClient
from fhirpy.base.exceptions import (
    AuthorizationError,
    MultipleResourcesFound,
    OperationOutcome,
    ResourceNotFound,
)

if TYPE_CHECKING:
    from tests.e2e.conftest import Fhir

LOINC = "http://loinc.org"


@pytest.fixture(params=["open", "builtin"])
def client(request: pytest.FixtureRequest) -> SyncFHIRClient:
    """A client of the server in either mode."""
    found: Fhir = request.getfixturevalue("fhir" if request.param == "open" else "guarded")
    return SyncFHIRClient(found.url, authorization=f"Bearer {found.token}" if found.token else None)


def patient(client: Any, label: str, value: str = "1", **members: Any) -> Any:
    identifier = [{"system": label, "value": value}]
    return client.resource("Patient", identifier=identifier, **members)


def observation(client: Any, of: Any, code: str, day: str) -> Any:
    return client.resource(
        "Observation",
        status="final",
        code={"coding": [{"system": LOINC, "code": code}]},
        subject=of.to_reference(),
        effectiveDateTime=day,
        valueQuantity={"value": 72.5, "unit": "kg"},
    )


def test_a_resource_is_created_read_updated_and_deleted(client: SyncFHIRClient, label: str) -> None:
    made = patient(client, label, name=[{"family": "Fhirpy", "given": ["Eve"]}])
    made.save()
    made["gender"] = "female"
    made.save()

    found = client.get("Patient", made["id"])

    assert (found["gender"], found["meta"]["versionId"]) == ("female", "2")
    made.delete()
    with pytest.raises(ResourceNotFound, match="was deleted"):
        client.get("Patient", made["id"])


def test_a_refresh_fetches_only_what_changed(client: SyncFHIRClient, label: str) -> None:
    mine = patient(client, label)
    mine.save()
    mine.refresh()
    client.resource("Patient", id=mine["id"], gender="male").save()

    mine.refresh()

    assert mine["gender"] == "male"


def test_several_parameters_narrow_a_search(client: SyncFHIRClient, label: str) -> None:
    who = patient(client, label, active=True, birthDate="1974-12-25")
    who.save()
    for code, day in (
        ("29463-7", "2024-01-01"),
        ("29463-7", "2025-01-01"),
        ("8867-4", "2025-01-01"),
    ):
        observation(client, who, code, day).save()
    weights = client.resources("Observation").search(subject=who, code=f"{LOINC}|29463-7")

    assert len(weights.fetch_all()) == 2
    assert len(weights.search(date__ge="2024-06").fetch_all()) == 1
    assert weights.sort("-date").first()["effectiveDateTime"] == "2025-01-01"
    born = client.resources("Patient").search(
        birthdate__lt="1975", active=True, identifier=f"{label}|"
    )
    assert [one["id"] for one in born] == [who["id"]]


def test_paging_brings_each_match_once(client: SyncFHIRClient, label: str) -> None:
    ids = {patient(client, label, str(number)).save()["id"] for number in range(7)}

    found = [
        one["id"] for one in client.resources("Patient").search(identifier=f"{label}|").limit(2)
    ]

    assert len(found) == 7
    assert set(found) == ids


def test_matches_are_counted(client: SyncFHIRClient, label: str) -> None:
    for number in range(3):
        patient(client, label, str(number)).save()
    # fhirpy asks with a parameter of its own, `_totalMethod`, that only lenient handling takes.
    client.extra_headers = {"Prefer": "handling=lenient"}

    assert client.resources("Patient").search(identifier=f"{label}|").count() == 3


def test_a_conditional_create_is_done_once(client: SyncFHIRClient, label: str) -> None:
    client.extra_headers = {"If-None-Exist": f"identifier={label}|1"}

    first, second = patient(client, label).save(), patient(client, label).save()

    assert first["id"] == second["id"]


def test_a_conditional_update_is_of_the_one_match(client: SyncFHIRClient, label: str) -> None:
    one = client.resources("Patient").search(identifier=f"{label}|1")

    first, made = one.update(patient(client, label))
    second, made_again = one.update(patient(client, label, gender="male"))

    assert (made, made_again) == (True, False)
    assert (second["id"], second["gender"]) == (first["id"], "male")


def test_an_ambiguous_condition_is_told(client: SyncFHIRClient, label: str) -> None:
    for number in range(2):
        patient(client, label, str(number)).save()

    with pytest.raises(MultipleResourcesFound):
        client.resources("Patient").search(identifier=f"{label}|").update(patient(client, label))


def test_included_resources_come_along(client: SyncFHIRClient, label: str) -> None:
    who = patient(client, label)
    who.save()
    observation(client, who, "8867-4", "2025-01-01").save()
    of_patient = client.resources("Observation").search(subject=who)
    patients = client.resources("Patient").search(identifier=f"{label}|1")

    included = of_patient.include("Observation", "subject").fetch_raw()
    referring = patients.revinclude("Observation", "subject").fetch_raw()

    for bundle, matched in ((included, "Observation"), (referring, "Patient")):
        modes = {
            entry["resource"]["resourceType"]: entry["search"]["mode"] for entry in bundle["entry"]
        }
        assert set(modes) == {"Observation", "Patient"}
        assert [type for type, mode in modes.items() if mode == "match"] == [matched]


def test_references_are_followed_in_a_search(client: SyncFHIRClient, label: str) -> None:
    who = patient(client, label, name=[{"family": "Chained"}])
    who.save()
    made = observation(client, who, "8867-4", "2025-01-01").save()

    chained = client.resources("Observation").search(subject__Patient__identifier=f"{label}|1")
    having = client.resources("Patient").has("Observation", "subject", code=f"{LOINC}|8867-4")

    assert [one["id"] for one in chained] == [made["id"]]
    assert [one["id"] for one in having.search(identifier=f"{label}|1")] == [who["id"]]


def test_only_some_elements_are_fetched(client: SyncFHIRClient, label: str) -> None:
    patient(client, label, gender="male", birthDate="2000-01-01").save()

    (found,) = (
        client.resources("Patient").search(identifier=f"{label}|1").elements("gender").fetch()
    )

    assert "birthDate" not in found
    assert found["gender"] == "male"
    assert found["meta"]["tag"][0]["code"] == "SUBSETTED"


def test_a_json_patch_changes_a_part(client: SyncFHIRClient, label: str) -> None:
    made = patient(client, label).save()
    client.extra_headers = {"Content-Type": "application/json-patch+json"}

    client.execute(
        made.reference,
        method="patch",
        data=[{"op": "add", "path": "/gender", "value": "male"}],
    )

    assert client.get("Patient", made["id"])["gender"] == "male"


def test_its_own_patch_replaces_members(client: SyncFHIRClient, label: str) -> None:
    made = patient(client, label, birthDate="2000-01-01")
    made.save()

    made.patch(gender="male")

    stored = client.get("Patient", made["id"])
    assert (stored["gender"], stored["meta"]["versionId"]) == ("male", "2")
    assert stored["birthDate"] == "2000-01-01"


def test_a_transaction_is_carried_out(client: SyncFHIRClient, label: str) -> None:
    placeholder = "urn:uuid:0b6a7b52-0000-4000-8000-000000000001"
    who = patient(client, label).serialize()
    what = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "pulse"},
        "subject": {"reference": placeholder},
    }
    entries = [
        {"fullUrl": placeholder, "resource": who, "request": {"method": "POST", "url": "Patient"}},
        {"resource": what, "request": {"method": "POST", "url": "Observation"}},
    ]

    answer = client.execute(
        "", data={"resourceType": "Bundle", "type": "transaction", "entry": entries}
    )

    assert [entry["response"]["status"][:3] for entry in answer["entry"]] == ["201", "201"]
    (found,) = client.resources("Patient").search(identifier=f"{label}|1").fetch()
    assert client.resources("Observation").search(subject=found).first()["code"]["text"] == "pulse"


def test_the_history_is_read(client: SyncFHIRClient, label: str) -> None:
    made = patient(client, label)
    made.save()
    made["gender"] = "other"
    made.save()

    history = client.execute(f"Patient/{made['id']}/_history", method="get")

    assert [entry["resource"]["meta"]["versionId"] for entry in history["entry"]] == ["2", "1"]


def test_a_refusal_is_the_clients_own_error(client: SyncFHIRClient) -> None:
    with pytest.raises(OperationOutcome) as caught:
        client.resource("Patient", gender="nobody").save()

    (issue,) = caught.value.resource["issue"]
    assert issue["expression"] == ["Patient.gender"]
    with pytest.raises(OperationOutcome, match="has no search parameter"):
        client.resources("Patient").search(colour="blue").fetch()


def test_capabilities_are_read(client: SyncFHIRClient) -> None:
    found = client.execute("metadata", method="get")

    assert (found["resourceType"], found["fhirVersion"]) == ("CapabilityStatement", "4.0.1")


def test_without_a_token_nothing_is_answered(guarded: Fhir) -> None:
    for authorization in (None, "Bearer nonsense"):
        with pytest.raises(AuthorizationError):
            SyncFHIRClient(guarded.url, authorization=authorization).resources("Patient").fetch()


async def test_the_asynchronous_client_does_the_same(guarded: Fhir, label: str) -> None:
    client = AsyncFHIRClient(guarded.url, authorization=f"Bearer {guarded.token}")
    made = [patient(client, label, str(number)) for number in range(8)]
    await asyncio.gather(*(one.save() for one in made))
    pages = client.resources("Patient").search(identifier=f"{label}|").limit(3)

    found = [one["id"] async for one in pages]

    assert sorted(found) == sorted(one["id"] for one in made)
    await made[0].delete()
    with pytest.raises(ResourceNotFound):
        await client.get("Patient", made[0]["id"])


async def test_conditional_creates_at_once_make_one_resource(fhir: Fhir, label: str) -> None:
    client = AsyncFHIRClient(fhir.url, extra_headers={"If-None-Exist": f"identifier={label}|1"})

    made = await asyncio.gather(*(patient(client, label).save() for _ in range(8)))

    assert len({one["id"] for one in made}) == 1


def test_get_or_create_creates_once(client: SyncFHIRClient, label: str) -> None:
    """It sends the criteria in the URL of a POST."""
    search = client.resources("Patient").search(identifier=f"{label}|1")

    first, created = search.get_or_create(patient(client, label))
    second, again = search.get_or_create(patient(client, label))

    assert (created, again) == (True, False)
    assert first["id"] == second["id"]
