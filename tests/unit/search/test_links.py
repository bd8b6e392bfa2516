"""https://hl7.org/fhir/R4/references.html"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server import jsonio
from fhir_server.search import links
from fhir_server.search.extract import index
from fhir_server.search.tokens import token

OBSERVATION = {
    "resourceType": "Observation",
    "id": "1",
    "valueQuantity": {"value": 1},
    "subject": {"reference": "Patient/1/_history/2"},
    "performer": [{"reference": "Practitioner/1"}, {"reference": "http://other/fhir/Patient/1"}],
    "specimen": {"reference": "#here"},
    "encounter": {"identifier": {"value": "visit"}},
}
PLAN = {
    "resourceType": "PlanDefinition",
    "library": ["http://acme/Library/one|1.0"],
    "relatedArtifact": [
        {"type": "depends-on", "resource": "http://acme/Library/two"},
        {"type": "composed-of", "resource": "http://acme/PlanDefinition/part"},
    ],
    "action": [{"definitionCanonical": "http://acme/a"}, {"definitionUri": "http://acme/b"}],
}


@pytest.mark.parametrize(
    ("resource", "parameter", "expected"),
    [
        (OBSERVATION, "subject", ["Patient/1/_history/2"]),
        (OBSERVATION, "patient", ["Patient/1/_history/2"]),
        (OBSERVATION, "performer", ["Practitioner/1", "http://other/fhir/Patient/1"]),
        (OBSERVATION, "specimen", []),
        (OBSERVATION, "encounter", []),
        (OBSERVATION, "device", []),
        (OBSERVATION, "code", []),
        (PLAN, "depends-on", ["http://acme/Library/one|1.0", "http://acme/Library/two"]),
        (PLAN, "composed-of", ["http://acme/PlanDefinition/part"]),
        (PLAN, "definition", ["http://acme/a", "http://acme/b"]),
        ({"resourceType": "Task", "for": {"reference": "Patient/3"}}, "subject", ["Patient/3"]),
        ({"resourceType": "AuditEvent", "agent": [{"who": {"reference": "Patient/1"}}],
          "entity": [{"what": {"reference": "Patient/2"}}]}, "patient", ["Patient/1", "Patient/2"]),
    ],
)  # fmt: skip
def test_a_parameter_leads_to_references_as_they_are_written(
    resource: dict[str, Any], parameter: str, expected: list[str]
) -> None:
    wanted = frozenset((row, "") for row in links.selected(resource["resourceType"], parameter))
    reader = links.reader(resource["resourceType"], wanted)

    assert sorted(links.links(resource, parameter)) == expected
    assert sorted(text for text, _ in reader.read(jsonio.encode(resource))) == expected


def test_a_star_leads_everywhere() -> None:
    assert set(links.links(OBSERVATION, "*")) == {
        "Patient/1/_history/2", "Practitioner/1", "http://other/fhir/Patient/1",
    }  # fmt: skip


def test_a_way_admits_what_its_parameters_refer_to() -> None:
    subject, patient = (links.selected("Observation", name)[0] for name in ("subject", "patient"))

    (only,) = [way for _, way in links.reader("Observation", frozenset({(patient, "")})).of(
        OBSERVATION)]  # fmt: skip
    both = frozenset({(subject, ""), (patient, "")})
    (either,) = [way for _, way in links.reader("Observation", both).of(OBSERVATION)]
    named = links.reader("Observation", frozenset({(subject, "Group"), (patient, "Group")}))
    ((_, group),) = named.of(OBSERVATION)

    assert only.admits("Patient")
    assert not only.admits("Group")
    assert either.admits("Group")
    assert group.targets == {"Group"}


@pytest.mark.parametrize(
    "broken",
    [
        {"subject": "Patient/1"},
        {"subject": [["Patient/1"]]},
        {"subject": {"reference": 1}},
        {"subject": {"reference": {"reference": "Patient/1"}}},
        {"subject": {"reference": ""}},
        {"subject": None},
        {"subject": {}},
    ],
)
def test_what_is_no_reference_leads_nowhere(broken: dict[str, Any]) -> None:
    assert links.links({"resourceType": "Observation", **broken}, "subject") == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"url":"http://a","version":"1"}', links.Artifact("http://a", "1")),
        (b'{"resourceType":"Patient"}', links.NOTHING),
        (b'{"url":["http://a"],"version":{}}', links.NOTHING),
    ],
)
def test_a_canonical_names_url_and_version(body: bytes, expected: links.Artifact) -> None:
    assert links.artifact(body) == expected


@given(
    st.lists(st.sampled_from(["Patient/1", "Group/g", "Device/d/_history/1", "http://x/Group/1"])),
    st.sampled_from(["subject", "performer", "focus", "has-member", "derived-from"]),
)
def test_what_is_found_by_a_reference_leads_back(targets: list[str], name: str) -> None:
    member = {"has-member": "hasMember", "derived-from": "derivedFrom"}.get(name, name)
    resource = {"resourceType": "Observation", member: [{"reference": t} for t in targets]}

    tokens = set(index(resource).tokens)

    literal, _ = links.prefixes(links.selected("Observation", name), "Device")
    for target in links.links(resource, name):
        key = target.partition("/_history/")[0]
        assert not literal or any(token(prefix + key) in tokens for prefix in literal)
    assert len(links.links(resource, name)) == len(set(targets))
