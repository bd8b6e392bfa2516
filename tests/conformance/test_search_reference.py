"""References, row by row. https://hl7.org/fhir/R4/search.html#reference"""

from __future__ import annotations

import pytest

from tests.conformance.searching import Resource, Row, agrees, observation, rows
from tests.unit.search.conftest import Search

FAR = "http://acme.org/fhir/Patient/23"


def about(reference: str) -> Resource:
    return observation(subject={"reference": reference})


def part_of(canonical: str) -> Resource:
    return {"resourceType": "PlanDefinition", "status": "draft", "library": [canonical]}


def bundle(first: Resource, *, type: str, url: str = "") -> Resource:
    entry = {"resource": first} | ({"fullUrl": url} if url else {})
    return {
        "resourceType": "Bundle",
        "type": type,
        "identifier": {"system": "urn:ietf:rfc:3986", "value": "urn:uuid:1"},
        "timestamp": "2020-01-01T00:00:00Z",
        "entry": [entry],
    }


COMPOSITION = {
    "resourceType": "Composition",
    "id": "c1",
    "status": "final",
    "type": {"text": "summary"},
    "date": "2020",
    "author": [{"reference": "Practitioner/1"}],
    "title": "Summary",
}
ROWS: list[Row] = [
    *rows("subject", about("Patient/23"),
          finds=["Patient/23", "23", "9,23", "Patient/9,Patient/23"],
          misses=["Patient/2", "2", "Group/23", "patient/23", "Patient/234", FAR]),
    *rows("subject:Patient", about("Patient/23"), finds=["23"], misses=["24"]),
    *rows("subject:Group", about("Patient/23"), misses=["23"]),
    *rows("patient", about("Patient/23"), finds=["23", "Patient/23"], misses=["24"]),
    *rows("patient", about("Group/23"), misses=["23", "Patient/23"]),
    *rows("subject", about("Group/23"), finds=["23", "Group/23"], misses=["Patient/23"]),
    # A URL is found as it was written.
    *rows("subject", about(FAR), finds=[FAR], misses=["Patient/23", "23", "http://acme.org/fhir/Patient/2"]),
    *rows("subject", about("urn:uuid:c757873d-ec9a-4326-a141-556f43239520"),
          finds=["urn:uuid:c757873d-ec9a-4326-a141-556f43239520"], misses=["urn:uuid:c757873d-ec9a-4326-a141-556f43239521"]),
    # A version is one of its resource.
    *rows("subject", about("Patient/23/_history/4"), finds=["Patient/23", "23", "Patient/23/_history/4"], misses=["Patient/23/_history/5"]),
    *rows("subject", about("Patient/23"), misses=["Patient/23/_history/1"]),
    # Who is known by an identifier only.
    *rows("subject:identifier", observation(subject={"identifier": {"system": "http://acme", "value": "7"}}),
          finds=["7", "http://acme|7", "http://acme|"], misses=["|7", "http://acme|8"]),
    *rows("subject", observation(subject={"display": "Eve"}), misses=["Eve"]),
    # Several elements under one parameter.
    *rows("performer", observation(performer=[{"reference": "Practitioner/1"}, {"reference": "Organization/2"}]),
          finds=["1", "2", "Practitioner/1", "Organization/2"], misses=["Practitioner/2", "3"]),
    # Canonicals, with and without version.
    *rows("depends-on", part_of("http://acme.org/Library/1|2.0"),
          finds=["http://acme.org/Library/1", "http://acme.org/Library/1\\|2.0"], misses=["http://acme.org/Library", "http://acme.org/Library/1\\|1.0"]),
    # The first resource of a document or a message.
    *rows("composition", bundle(COMPOSITION, type="document", url="urn:uuid:7"), finds=["Composition/c1", "c1", "urn:uuid:7"], misses=["c2"]),
    *rows("message", bundle({"resourceType": "MessageHeader", "id": "m1", "eventCoding": {"code": "x"}, "source": {"endpoint": "http://s"}}, type="message"),
          finds=["m1"], misses=["c1"]),
    # What an extension says is the subject.
    *rows("item-subject",
          {"resourceType": "QuestionnaireResponse", "status": "completed", "item": [
              {"linkId": "1", "answer": [{"valueReference": {"reference": "Patient/5"}}],
               "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/questionnaireresponse-isSubject", "valueBoolean": True}]},
              {"linkId": "2", "answer": [{"valueReference": {"reference": "Patient/6"}}]},
          ]},
          finds=["Patient/5"], misses=["Patient/6"]),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_reference_is_found_as_the_specification_says(found: Search, row: Row) -> None:
    assert agrees(row, found)
