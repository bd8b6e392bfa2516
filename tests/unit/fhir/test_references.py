"""https://hl7.org/fhir/R4/http.html#trules"""

from __future__ import annotations

import json
from typing import Any

import pytest

from fhir_server.interactions.references import Targets, conditional

URN = "urn:uuid:00000000-0000-4000-8000-000000000001"
OID = "urn:oid:1.2.3"
POSTED = "http://h/fhir/Patient/x"
TARGETS = Targets(
    {
        URN: "Patient/1",
        OID: "Organization/5",
        POSTED: "Patient/2",
        "http://h/fhir/Binary/b/_history/7": "Binary/6",
        "Patient?identifier=a|b": "Patient/3",
        'Patient?name=a"b': "Patient/4",
    }
)


@pytest.mark.parametrize(
    ("body", "rewritten"),
    [
        (f'{{"reference":"{URN}"}}', '{"reference":"Patient/1"}'),
        (f'{{"reference" : "{URN}"}}', '{"reference" : "Patient/1"}'),
        (f'{{"reference":"{URN}/_history/4"}}', '{"reference":"Patient/1/_history/4"}'),
        (f'{{"reference":"{URN}#part"}}', '{"reference":"Patient/1#part"}'),
        (f'{{"reference":"{OID}"}}', '{"reference":"Organization/5"}'),
        (f'{{"reference":"{POSTED}"}}', '{"reference":"Patient/2"}'),
        (f'{{"reference":"{POSTED}/_history/1"}}', '{"reference":"Patient/2/_history/1"}'),
        (f'{{"reference":"{POSTED}#a/b"}}', '{"reference":"Patient/2#a/b"}'),
        ('{"reference":"http:\\/\\/h\\/fhir\\/Patient\\/x"}', '{"reference":"Patient/2"}'),
        ('{"reference":"http://h/fhir/Binary/b"}', '{"reference":"Binary/6"}'),
        ('{"reference":"Patient?identifier=a|b"}', '{"reference":"Patient/3"}'),
        ('{"reference":"Patient?name=a\\"b"}', '{"reference":"Patient/4"}'),
    ],
)
def test_a_reference_is_replaced(body: str, rewritten: str) -> None:
    assert TARGETS.rewrite(body.encode()) == rewritten.encode()


@pytest.mark.parametrize(
    ("resource", "path"),
    [
        ({"resourceType": "Patient", "photo": [{"url": URN}]}, ("photo", 0, "url")),
        (
            {"resourceType": "Patient", "extension": [{"url": "http://e", "valueUri": URN}]},
            ("extension", 0, "valueUri"),
        ),
        (
            {"resourceType": "Patient", "_gender": {"extension": [{"url": "e", "valueUrl": URN}]}},
            ("_gender", "extension", 0, "valueUrl"),
        ),
        (
            {"resourceType": "CarePlan", "instantiatesUri": ["http://other", URN]},
            ("instantiatesUri", 1),
        ),
        (
            {
                "resourceType": "Observation",
                "contained": [{"resourceType": "Media", "content": {"url": URN}}],
            },
            ("contained", 0, "content", "url"),
        ),
        (
            {"resourceType": "Parameters", "parameter": [{"name": "a", "valueUri": URN}]},
            ("parameter", 0, "valueUri"),
        ),
        (
            {"resourceType": "Provenance", "policy": ["http://p", URN]},
            ("policy", 1),
        ),
    ],
)
def test_a_link_in_any_element_of_type_uri_or_url_is_replaced(
    resource: dict[str, Any], path: tuple[str | int, ...]
) -> None:
    body = json.dumps(resource | {"active": True}).encode()

    found: Any = json.loads(TARGETS.rewrite(body))

    assert found["active"] is True
    for step in path:
        found = found[step]
    assert found == "Patient/1"


@pytest.mark.parametrize(
    "sent", [f"{URN}/_history/4", f"{POSTED}/_history/7", "Patient/x/_history/2"]
)
def test_a_reference_to_a_version_of_what_is_created_is_to_its_first(sent: str) -> None:
    targets = Targets({URN: "Patient/1", POSTED: "Patient/1"}, frozenset({"Patient/1"}))

    found = targets.rewrite(f'{{"reference":"{sent}"}}'.encode(), "http://h/fhir/Observation/1")

    assert found == b'{"reference":"Patient/1/_history/1"}'


@pytest.mark.parametrize(
    "resource",
    [
        {"resourceType": "Patient", "identifier": [{"system": "urn:ietf:rfc:3986", "value": URN}]},
        {"resourceType": "Patient", "identifier": [{"system": OID, "value": "7"}]},
        {"resourceType": "Patient", "text": {"div": f'<a href="{URN}">x</a>'}},
        {"resourceType": "Patient", "meta": {"profile": [URN]}},
        {"resourceType": "Patient", "extension": [{"url": URN, "valueString": URN}]},
        {"resourceType": "CarePlan", "instantiatesCanonical": [URN]},
        {"resourceType": "Patient", "extension": [{"url": "http://e", "valueUuid": URN}]},
        {"resourceType": "Patient", "extension": [{"url": "http://e", "valueOid": OID}]},
        {"resourceType": "Observation", "valueString": URN, "code": {"text": URN}},
        {"resourceType": "Observation", "code": {"coding": [{"system": URN, "display": URN}]}},
        {"resourceType": "ValueSet", "url": URN},
        {"resourceType": "Observation", "subject": {"display": URN, "type": "Patient"}},
        {"resourceType": "Nonsense", "uri": URN},
    ],
)
def test_what_is_no_link_stays_as_it_is(resource: dict[str, Any]) -> None:
    assert json.loads(TARGETS.rewrite(json.dumps(resource).encode())) == resource


@pytest.mark.parametrize(
    "body",
    [
        f'{{"value" :\n "{URN}"}}',
        '{"reference":"urn:uuid:00000000-0000-4000-8000-000000000009"}',
        '{"display":"Patient?identifier=a|b"}',
        '{"reference":"Patient/9"}',
        '{"reference":"#contained"}',
        '{"reference":"http://elsewhere/fhir/Patient/x"}',
    ],
)
def test_what_is_not_known_stays_as_it_is_byte_by_byte(body: str) -> None:
    assert TARGETS.rewrite(body.encode()) == body.encode()


@pytest.mark.parametrize(
    ("full_url", "rewritten"),
    [
        ("http://h/fhir/Observation/o", "Patient/2/_history/3#a"),  # the same base
        ("http://h/fhir/Observation/o/_history/1", "Patient/2/_history/3#a"),
        ("http://h/other/Observation/o", "Patient/x/_history/3#a"),  # another one
        (URN, "Patient/x/_history/3#a"),  # nothing is relative to a name
        ("", "Patient/x/_history/3#a"),  # what is on this server
    ],
)
def test_a_relative_reference_is_relative_to_the_base_of_its_own_entry(
    full_url: str, rewritten: str
) -> None:
    body = b'{"reference":"Patient/x/_history/3#a"}'

    assert TARGETS.rewrite(body, full_url) == f'{{"reference":"{rewritten}"}}'.encode()


def test_numbers_keep_their_digits_when_a_resource_is_walked() -> None:
    body = f'{{"resourceType":"Patient","photo":[{{"url":"{URN}"}}],"x":1.10}}'

    assert b'"x":1.10' in TARGETS.rewrite(body.encode())


def test_without_targets_nothing_is_touched() -> None:
    body = b'{"reference" : "http:\\/\\/h\\/fhir\\/Patient\\/x"}'

    assert Targets({}).rewrite(body) is body


def test_each_conditional_reference_is_found_once() -> None:
    bodies = [
        b'{"reference":"Patient?identifier=a|b"},{"reference":"Patient/1"}',
        b'{"reference" : "Patient?identifier=a|b"},{"reference":"Organization?name=x"}',
    ]

    assert conditional(bodies) == ["Patient?identifier=a|b", "Organization?name=x"]
