"""fhirclient, the Python client of SMART Health IT, with its own model of every resource.

https://github.com/smart-on-fhir/client-py
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import pytest
import requests

with warnings.catch_warnings():
    # Its models escape characters in strings that need none.
    warnings.simplefilter("ignore", SyntaxWarning)
    from fhirclient.client import FHIRClient
    from fhirclient.models.bundle import Bundle
    from fhirclient.models.fhirdate import FHIRDate
    from fhirclient.models.observation import Observation
    from fhirclient.models.patient import Patient
    from fhirclient.server import FHIRNotFoundException, FHIRServer, FHIRUnauthorizedException

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.conftest import Fhir


def connect(fhir: Fhir) -> FHIRServer:
    server = FHIRClient({"app_id": "e2e", "api_base": fhir.url}).server
    if fhir.token:
        server.session.headers["Authorization"] = f"Bearer {fhir.token}"
    return server


@pytest.fixture(params=["open", "builtin"])
def medflow(request: pytest.FixtureRequest) -> Iterator[FHIRServer]:
    """The server in either mode, as the client knows it."""
    server = connect(request.getfixturevalue("fhir" if request.param == "open" else "guarded"))
    yield server
    server.session.close()


def patient(label: str, value: str = "1", **members: Any) -> Patient:
    return Patient({"identifier": [{"system": label, "value": value}], **members})


def observation(of: str, day: str, code: str = "8867-4") -> Observation:
    return Observation(
        {
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
            "subject": {"reference": f"Patient/{of}"},
            "effectiveDateTime": day,
            "valueQuantity": {"value": 72.5, "unit": "/min"},
        }
    )


def created(resource: Any, server: FHIRServer) -> Any:
    return type(resource)(resource.create(server))


def test_a_resource_is_created_read_updated_and_deleted(medflow: FHIRServer, label: str) -> None:
    made = created(patient(label, name=[{"family": "Smart"}]), medflow)
    made.birthDate = FHIRDate("1974-12-25")
    made.update(medflow)

    found = Patient.read(made.id, medflow)

    assert found.birthDate.date.isoformat() == "1974-12-25"
    assert found.meta.versionId == "2"
    found.delete()
    with pytest.raises(requests.HTTPError, match="410"):
        Patient.read(made.id, medflow)


def test_several_parameters_narrow_a_search(medflow: FHIRServer, label: str) -> None:
    who = created(patient(label), medflow)
    for day in ("2024-01-01", "2025-01-01", "2025-06-01"):
        observation(who.id, day).create(medflow)
    observation(who.id, "2025-01-01", code="29463-7").create(medflow)
    asked = {
        "subject": f"Patient/{who.id}",
        "code": "http://loinc.org|8867-4",
        "date": {"$and": ["ge2024-06", "lt2025-03"]},
    }

    found = list(Observation.where(asked).perform_resources_iter(medflow))

    assert [one.effectiveDateTime.as_json() for one in found] == ["2025-01-01"]


def test_a_chain_is_followed(medflow: FHIRServer, label: str) -> None:
    who = created(patient(label, name=[{"family": "Chained"}]), medflow)
    made = created(observation(who.id, "2025-01-01"), medflow)
    asked = {"subject": {"$type": "Patient", "identifier": f"{label}|1"}}

    found = list(Observation.where(asked).perform_resources_iter(medflow))

    assert [one.id for one in found] == [made.id]


def test_paging_brings_each_match_once(medflow: FHIRServer, label: str) -> None:
    ids = {created(patient(label, str(number)), medflow).id for number in range(7)}

    search = Patient.where({"identifier": f"{label}|", "_count": "2"})
    pages = [page.entry or [] for page in search.perform_iter(medflow)]

    found = [entry.resource.id for page in pages for entry in page]
    assert [len(page) for page in pages] == [2, 2, 2, 1]
    assert (len(found), set(found)) == (7, ids)


def test_included_resources_come_along(medflow: FHIRServer, label: str) -> None:
    who = created(patient(label), medflow)
    made = created(observation(who.id, "2025-01-01"), medflow)
    forward = Observation.where({"_id": made.id}).include("subject")
    back = Patient.where({"_id": who.id}).include("subject", Observation, reverse=True)

    for search in (forward, back):
        found = {(one.resource_type, one.id) for one in search.perform_resources_iter(medflow)}

        assert found == {("Observation", made.id), ("Patient", who.id)}


def test_a_transaction_is_carried_out(medflow: FHIRServer, label: str) -> None:
    placeholder = "urn:uuid:0b6a7b52-0000-4000-8000-000000000002"
    pulse = observation("x", "2025-01-01").as_json() | {"subject": {"reference": placeholder}}
    once = f"identifier={label}|1"
    entries = [
        {
            "fullUrl": placeholder,
            "resource": patient(label).as_json(),
            "request": {"method": "POST", "url": "Patient", "ifNoneExist": once},
        },
        {"resource": pulse, "request": {"method": "POST", "url": "Observation"}},
    ]
    bundle = Bundle({"type": "transaction", "entry": entries})

    answers = [Bundle(bundle.create(medflow)) for _ in range(2)]

    statuses = [[entry.response.status[:3] for entry in answer.entry] for answer in answers]
    assert statuses == [["201", "201"], ["200", "201"]]


def test_the_history_is_a_bundle_that_it_reads(medflow: FHIRServer, label: str) -> None:
    made = created(patient(label), medflow)
    made.active = False
    made.update(medflow)

    history = Bundle.read_from(f"Patient/{made.id}/_history", medflow)

    assert [entry.resource.meta.versionId for entry in history.entry] == ["2", "1"]
    assert [entry.request.method for entry in history.entry] == ["PUT", "POST"]


def test_a_refusal_is_the_clients_own_error(medflow: FHIRServer, label: str) -> None:
    with pytest.raises(FHIRNotFoundException) as missing:
        Patient.read("never-there", medflow)
    with pytest.raises(requests.HTTPError) as refused:
        created(patient(label, gender="nobody"), medflow)

    assert missing.value.response.json()["issue"][0]["code"] == "not-found"
    assert refused.value.response.json()["issue"][0]["expression"] == ["Patient.gender"]


def test_capabilities_are_read(medflow: FHIRServer) -> None:
    statement = medflow.capabilityStatement

    assert statement.fhirVersion == "4.0.1"
    assert "Patient" in [resource.type for resource in statement.rest[0].resource]


def test_where_to_get_a_token_is_in_the_capabilities(guarded: Fhir) -> None:
    server = connect(guarded)

    server.get_capability()

    assert server.auth.state["token_uri"] == guarded.url.removesuffix("fhir") + "auth/token"
    server.session.close()


def test_without_a_token_nothing_is_answered(guarded: Fhir) -> None:
    server = connect(type(guarded)(guarded.url))

    with pytest.raises(FHIRUnauthorizedException):
        Patient.read("1", server)

    server.session.close()
