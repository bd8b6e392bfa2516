"""What is said of the entries of a Bundle beyond its invariants.

https://hl7.org/fhir/R4/bundle.html
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.conformance.profiling import Json, remarks, whole

PATIENT: Json = {"resourceType": "Patient", "id": "1"}


def bundle(type: str, *entries: Json) -> Json:
    return {"resourceType": "Bundle", "type": type, "entry": list(entries)}


def told(resource: Json, severity: str = "error") -> list[tuple[str, str]]:
    return remarks(whole(resource), severity)


@pytest.mark.parametrize(
    ("url", "fine"),
    [
        ("urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", True),
        ("http://x.y/fhir/Patient/1", True),
        ("http://x.y/fhir/Patient/2", False),
        ("http://x.y/whatever", True),
        ("Patient/1", False),
    ],
)
def test_a_full_url_is_absolute_and_agrees_with_the_id(url: str, fine: bool) -> None:
    found = told(bundle("collection", {"fullUrl": url, "resource": PATIENT}))

    assert found == ([] if fine else [("value", "Bundle.entry[0].fullUrl")])


def test_a_full_url_is_missed_where_others_may_refer_to_it() -> None:
    entry = {"resource": PATIENT}
    asked = entry | {"request": {"method": "POST", "url": "Patient"}}

    assert told(bundle("collection", entry)) == [("required", "Bundle.entry[0].fullUrl")]
    assert told(bundle("transaction", asked)) == []


def test_an_outcome_among_what_was_found_has_no_url() -> None:
    issue = {"severity": "warning", "code": "processing"}
    outcome = {"resourceType": "OperationOutcome", "issue": [issue]}
    entry = {"resource": outcome, "search": {"mode": "outcome"}}

    assert told(bundle("searchset", entry)) == []


@pytest.mark.parametrize(
    ("request_", "resource", "fine"),
    [
        ({"method": "POST", "url": "Patient"}, PATIENT, True),
        ({"method": "POST", "url": "Observation"}, PATIENT, False),
        ({"method": "POST", "url": "Patient/$validate"}, PATIENT, True),
        ({"method": "PUT", "url": "Patient/1"}, PATIENT, True),
        ({"method": "PUT", "url": "Patient/2"}, PATIENT, False),
        ({"method": "PUT", "url": "Patient"}, PATIENT, False),
        ({"method": "PUT", "url": "http://x.y/fhir/Patient/1"}, PATIENT, True),
        ({"method": "PUT", "url": "http://x.y/fhir/Patient/2"}, PATIENT, False),
        ({"method": "PUT", "url": "Patient?identifier=1"}, PATIENT, True),
        ({"method": "DELETE", "url": "Patient/1"}, None, True),
        ({"method": "DELETE", "url": "Patient/1"}, PATIENT, False),
        ({"method": "GET", "url": "Patient?name=x"}, None, True),
    ],
)
def test_method_url_and_resource_belong_together(
    request_: Json, resource: Json | None, fine: bool
) -> None:
    entry = {"request": request_} | ({"resource": resource} if resource else {})

    found = told(bundle("transaction", entry))

    assert found == ([] if fine else [("value", "Bundle.entry[0].request.url")])


def message(focus: str) -> Json:
    header: dict[str, Any] = {
        "resourceType": "MessageHeader",
        "eventUri": "http://x.y/event",
        "source": {"endpoint": "http://x.y"},
        "focus": [{"reference": focus}],
    }
    return bundle(
        "message",
        {"fullUrl": "urn:uuid:1", "resource": header},
        {"fullUrl": "urn:uuid:2", "resource": PATIENT},
    )


def test_a_message_holds_what_it_is_about() -> None:
    assert told(message("urn:uuid:2")) == []
    assert told(message("urn:uuid:3")) == [
        ("not-found", "Bundle.entry[0].resource.focus[0].reference")
    ]


def test_resources_in_entries_are_judged_by_their_own_type() -> None:
    broken = PATIENT | {"contact": [{"gender": "male"}]}

    found = told(bundle("collection", {"fullUrl": "urn:uuid:1", "resource": broken}))

    assert found == [("invariant", "Bundle.entry[0].resource.contact[0]")]


def test_a_bundle_in_a_bundle_is_judged_too() -> None:
    inner = bundle("collection", {"fullUrl": "Patient/1", "resource": PATIENT})

    found = told(bundle("collection", {"fullUrl": "urn:uuid:1", "resource": inner}))

    assert found == [("value", "Bundle.entry[0].resource.entry[0].fullUrl")]
