"""$validate says all there is to say of a resource, and stores nothing.

https://hl7.org/fhir/R4/resource-operation-validate.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
import pytest_asyncio

from fhir_server.model import Context, Origin, Principal
from fhir_server.operations.operation import Call
from kernel.errors import Forbidden
from tests.integration.fhir.web import JSON, client_of, put

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fhir_server.service import FhirService
    from fhir_server.store.store import Store

TEXT = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Doe</div>'}
GOOD = {"resourceType": "Patient", "text": TEXT, "name": [{"family": "Doe"}], "gender": "female"}
PROFILE = "http://example.org/StructureDefinition/named-patient"


def named_patient(**members: Any) -> dict[str, Any]:
    """A profile without a snapshot: a Patient has a name with a family, and one identifier."""
    return {
        "resourceType": "StructureDefinition",
        "url": PROFILE,
        "version": "1.0.0",
        "name": "NamedPatient",
        "status": "active",
        "kind": "resource",
        "abstract": False,
        "type": "Patient",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
        "derivation": "constraint",
        "differential": {
            "element": [
                {"id": "Patient", "path": "Patient"},
                {"id": "Patient.name", "path": "Patient.name", "min": 1},
                {"id": "Patient.name.family", "path": "Patient.name.family", "min": 1},
                {"id": "Patient.identifier", "path": "Patient.identifier", "max": "1"},
            ]
        },
    } | members


@pytest_asyncio.fixture
async def client(service: FhirService, store: Store) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(service, store) as opened:
        yield opened


async def judged(
    client: httpx.AsyncClient, resource: Any, url: str = "Patient/$validate"
) -> list[dict[str, Any]]:
    """Return the issues of an answer that must be an OperationOutcome with status 200."""
    answer = await client.post(f"/fhir/{url}", json=resource, headers=JSON)
    assert answer.status_code == 200, answer.text
    assert answer.json()["resourceType"] == "OperationOutcome"
    issues: list[dict[str, Any]] = answer.json()["issue"]
    return issues


async def stored(client: httpx.AsyncClient, definition: dict[str, Any]) -> None:
    body = definition | {"id": "named"}
    answer = await client.put("/fhir/StructureDefinition/named", json=body, headers=JSON)
    assert answer.status_code in {200, 201}, answer.text


def errors(issues: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(i["code"], i["expression"][0]) for i in issues if i["severity"] == "error"]


def asked(resource: Any = None, **parameters: str | bool) -> dict[str, Any]:
    """The Parameters of a question; `check_references` becomes `check-references`."""
    listed: list[dict[str, Any]] = [] if resource is None else [{"name": "resource"}]
    for entry in listed:
        entry["resource"] = resource
    for name, value in parameters.items():
        key = "valueBoolean" if isinstance(value, bool) else "valueString"
        listed.append({"name": name.replace("_", "-"), key: value})
    return {"resourceType": "Parameters", "parameter": listed}


async def test_a_resource_without_a_fault_is_all_ok(client: httpx.AsyncClient) -> None:
    (issue,) = await judged(client, GOOD)

    assert (issue["severity"], issue["code"]) == ("information", "informational")
    assert "All OK" in issue["diagnostics"]


async def test_nothing_is_stored(client: httpx.AsyncClient) -> None:
    await judged(client, GOOD)

    found = await client.get("/fhir/Patient", params={"_summary": "count"})
    assert found.json()["total"] == 0


async def test_all_faults_are_told_at_once_with_their_places(client: httpx.AsyncClient) -> None:
    body = GOOD | {"gender": "f", "nmae": 1, "birthDate": "2020-02-30"}

    issues = await judged(client, body)

    assert set(errors(issues)) == {
        ("code-invalid", "Patient.gender"),
        ("structure", "Patient.nmae"),
        ("value", "Patient.birthDate"),
    }
    assert {location for issue in issues for location in issue.get("location", ())} >= {"/gender"}


async def test_an_invariant_is_an_error_and_advice_a_warning(client: httpx.AsyncClient) -> None:
    body = {"resourceType": "Patient", "contact": [{"gender": "male"}]}

    issues = await judged(client, body)

    assert errors(issues) == [("invariant", "Patient.contact[0]")]
    assert [i["diagnostics"] for i in issues if i["severity"] == "warning" and "dom-6" in str(i)]


async def test_an_invariant_is_told_once(client: httpx.AsyncClient) -> None:
    body = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}} | {
        "dataAbsentReason": {"text": "gone"},
        "valueString": "here",
    }

    issues = await judged(client, body, "Observation/$validate")

    assert errors(issues) == [("invariant", "Observation")]


async def test_an_extensible_binding_is_a_warning(client: httpx.AsyncClient) -> None:
    system = "http://terminology.hl7.org/CodeSystem/v2-0136"
    body = GOOD | {"maritalStatus": {"coding": [{"system": system, "code": "Y"}]}}

    (issue,) = await judged(client, body)

    assert (issue["severity"], issue["code"]) == ("warning", "code-invalid")
    assert issue["expression"] == ["Patient.maritalStatus"]


async def test_a_script_in_the_narrative_is_an_error(client: httpx.AsyncClient) -> None:
    div = '<div xmlns="http://www.w3.org/1999/xhtml">a<script>alert(1)</script></div>'
    body = GOOD | {"text": {"status": "generated", "div": div}}

    found = errors(await judged(client, body))

    assert [path for _, path in found] == ["Patient.text.div"]


async def test_a_profile_that_is_stored_here_is_used(client: httpx.AsyncClient) -> None:
    await stored(client, named_patient())
    body = {"resourceType": "Patient", "text": TEXT, "meta": {"profile": [PROFILE]}}

    declared = await judged(client, body)
    fine = await judged(client, body | {"name": [{"family": "Doe"}]})

    assert errors(declared) == [("required", "Patient.name")]
    assert PROFILE in declared[0]["diagnostics"]
    assert "All OK" in fine[0]["diagnostics"]


async def test_a_profile_is_named_in_the_question(client: httpx.AsyncClient) -> None:
    await stored(client, named_patient())
    two = GOOD | {"identifier": [{"value": "1"}, {"value": "2"}]}

    by_parameter = await judged(client, asked(two, profile=PROFILE))
    by_url = await judged(client, two, f"Patient/$validate?profile={PROFILE}")
    without = await judged(client, two)

    assert errors(by_parameter) == [("structure", "Patient.identifier")]
    assert errors(by_url) == errors(by_parameter)
    assert errors(without) == []


async def test_a_new_version_of_a_profile_is_seen_at_once(client: httpx.AsyncClient) -> None:
    await stored(client, named_patient())
    before = await judged(client, asked(GOOD, profile=PROFILE))
    elements = [{"id": "Patient.birthDate", "path": "Patient.birthDate", "min": 1}]
    changed = named_patient(differential={"element": elements})
    await stored(client, changed)

    after = await judged(client, asked(GOOD, profile=PROFILE))

    assert (errors(before), errors(after)) == ([], [("required", "Patient.birthDate")])


async def test_a_profile_that_is_asked_for_and_not_known_is_an_error(
    client: httpx.AsyncClient,
) -> None:
    wanted = await judged(client, asked(GOOD, profile="http://example.org/none"))
    declared = await judged(client, GOOD | {"meta": {"profile": ["http://example.org/none"]}})

    assert [(i["severity"], i["code"]) for i in wanted] == [("error", "not-found")]
    assert [(i["severity"], i["code"]) for i in declared] == [("warning", "not-found")]


async def test_a_profile_of_another_type_is_an_error(client: httpx.AsyncClient) -> None:
    vital_signs = "http://hl7.org/fhir/StructureDefinition/vitalsigns"

    issues = await judged(client, asked(GOOD, profile=vital_signs))

    assert errors(issues) == [("structure", "Patient")]


async def test_a_stored_resource_is_judged_by_its_url(client: httpx.AsyncClient) -> None:
    await stored(client, named_patient())
    await put(client, "Patient", "p1", gender="male", text=TEXT)
    url = "/fhir/Patient/p1/$validate"

    plain = await client.get(url)
    strict = await client.get(url, params={"profile": PROFILE, "mode": "profile"})

    assert "All OK" in plain.json()["issue"][0]["diagnostics"]
    assert errors(strict.json()["issue"]) == [("required", "Patient.name")]


async def test_what_is_not_there_cannot_be_validated(client: httpx.AsyncClient) -> None:
    answer = await client.get("/fhir/Patient/none/$validate")

    assert answer.status_code == 404


async def test_an_update_sends_the_id_of_what_it_changes(client: httpx.AsyncClient) -> None:
    url = "Patient/p1/$validate"

    without = await judged(client, asked(GOOD, mode="update"), url)
    another = await judged(client, asked(GOOD | {"id": "p2"}, mode="update"), url)
    right = await judged(client, asked(GOOD | {"id": "p1"}, mode="update"), url)

    assert errors(without) == errors(another) == [("value", "Patient.id")]
    assert errors(right) == []


async def test_a_deletion_is_judged_by_what_is_there(client: httpx.AsyncClient) -> None:
    await put(client, "Patient", "p1")

    there = await judged(client, asked(mode="delete"), "Patient/p1/$validate")
    gone = await judged(client, asked(mode="delete"), "Patient/p2/$validate")

    assert "All OK" in there[0]["diagnostics"]
    assert gone[0]["code"] == "not-found"
    assert (await client.get("/fhir/Patient/p1")).status_code == 200


async def test_references_are_followed_when_that_is_asked_for(client: httpx.AsyncClient) -> None:
    await put(client, "Patient", "p1")
    body = {"resourceType": "Observation", "text": TEXT, "status": "final"} | {
        "code": {"text": "x"},
        "subject": {"reference": "Patient/p1"},
        "encounter": {"reference": "Encounter/none"},
    }
    url = "Observation/$validate"

    plain = await judged(client, body, url)
    followed = await judged(client, asked(body, check_references=True), url)

    assert errors(plain) == []
    assert errors(followed) == [("not-found", "Observation.encounter.reference")]


async def test_the_resource_has_the_type_of_the_url(client: httpx.AsyncClient) -> None:
    issues = await judged(client, GOOD, "Observation/$validate")

    assert errors(issues) == [("structure", "resourceType")]


async def test_parameters_are_a_resource_too(client: httpx.AsyncClient) -> None:
    body = {"resourceType": "Parameters", "parameter": [{"name": "a", "valueCode": " "}]}

    issues = await judged(client, body, "Parameters/$validate")

    assert errors(issues) == [("value", "Parameters.parameter[0].value")]


async def test_answers_are_judged_by_a_questionnaire_that_is_stored_here(
    client: httpx.AsyncClient,
) -> None:
    url = "http://example.org/Questionnaire/q"
    item = {"linkId": "1", "type": "boolean"}
    await put(client, "Questionnaire", "q", url=url, status="active", item=[item])
    body = {"resourceType": "QuestionnaireResponse", "status": "completed", "questionnaire": url}
    answers = [{"linkId": "1", "answer": [{"valueString": "yes"}]}]

    issues = await judged(client, body | {"item": answers}, "QuestionnaireResponse/$validate")

    assert errors(issues) == [("structure", "QuestionnaireResponse.item[0].answer[0].value")]


async def test_the_entries_of_a_document_belong_together(client: httpx.AsyncClient) -> None:
    patient, composition = "urn:uuid:" + "1" * 8, "urn:uuid:" + "2" * 8
    document = {
        "resourceType": "Bundle",
        "type": "document",
        "identifier": {"system": "urn:ietf:rfc:3986", "value": "urn:uuid:3"},
        "timestamp": "2024-01-01T00:00:00Z",
        "entry": [
            {
                "fullUrl": composition,
                "resource": {
                    "resourceType": "Composition",
                    "status": "final",
                    "type": {"text": "x"},
                    "date": "2024",
                    "title": "x",
                    "author": [{"reference": "Practitioner/none"}],
                    "subject": {"reference": patient},
                },
            },
            {"fullUrl": patient, "resource": {"resourceType": "Patient"}},
            {"fullUrl": "Patient/relative", "resource": {"resourceType": "Patient", "id": "x"}},
        ],
    }

    issues = await judged(client, document, "Bundle/$validate")

    assert set(errors(issues)) == {
        ("not-found", "Bundle.entry[0].resource.author[0].reference"),
        ("value", "Bundle.entry[2].fullUrl"),
    }
    lost = [i["expression"] for i in issues if i["code"] == "business-rule"]
    assert lost == [["Bundle.entry[2].resource"]]


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"mode": "guess"}, "`guess` is not a mode"),
        ({"mode": "profile"}, "needs the parameter `profile`"),
        ({"mode": "delete"}, "is asked for on a resource"),
        ({"level": "high"}, "has no parameter `level`"),
    ],
)
async def test_a_question_without_sense_is_refused(
    client: httpx.AsyncClient, parameters: dict[str, str], said: str
) -> None:
    answer = await client.post(
        "/fhir/Patient/$validate", json=asked(GOOD, **parameters), headers=JSON
    )

    assert answer.status_code == 400
    assert said in answer.json()["issue"][0]["diagnostics"]


async def test_an_empty_question_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/fhir/Patient/$validate", json=asked(), headers=JSON)

    assert answer.status_code == 400
    assert "no resource to validate" in answer.json()["issue"][0]["diagnostics"]


async def test_who_may_not_read_may_not_ask(service: FhirService) -> None:
    ctx = Context(Principal("nurse", ("system/Observation.rs",)), Origin("rest"))

    with pytest.raises(Forbidden):
        await service.operation(ctx, "validate", Call("Patient", resource=GOOD), safe=False)


async def test_a_reference_to_what_may_not_be_read_looks_like_one_to_nothing(
    service: FhirService, ctx: Context
) -> None:
    await service.update(ctx, "Patient", "p1", GOOD | {"id": "p1"})
    nurse = Context(Principal("nurse", ("system/Observation.rs",)), Origin("rest"))
    body = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
    body["subject"] = {"reference": "Patient/p1"}
    call = Call("Observation", resource=asked(body, check_references=True))

    outcome = await service.operation(nurse, "validate", call, safe=False)

    assert ("not-found", "Observation.subject.reference") in errors(list(outcome["issue"]))
