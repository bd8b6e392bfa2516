"""A small ward: two patients, their encounters, observations and those who treat them."""

from __future__ import annotations

from typing import Any

LOINC = "http://loinc.org"
MR = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]}


def observation(id: str, patient: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "code": {
            "coding": [{"system": LOINC, "code": "8867-4", "display": "Heart rate"}],
            "text": "Pulse, resting",
        },
        "subject": {"reference": f"Patient/{patient}", "display": "Somebody on the ward"},
    } | more


WARD: list[dict[str, Any]] = [
    {"resourceType": "Organization", "id": "clinic", "name": "St. Anne's Clinic"},
    {
        "resourceType": "Practitioner",
        "id": "dr",
        "name": [{"family": "Adams", "given": ["Ruth"]}],
    },
    {
        "resourceType": "Patient",
        "id": "eve",
        "meta": {"profile": ["http://acme.org/fhir/StructureDefinition/ward-patient|1.0"]},
        "identifier": [{"type": MR, "system": "urn:oid:1.2.36", "value": "7"}],
        "name": [{"family": "Müller", "given": ["Evelyn"]}, {"family": "Abel"}],
        "gender": "female",
        "birthDate": "1970-03-30",
        "managingOrganization": {"reference": "Organization/clinic"},
        "generalPractitioner": [{"reference": "Practitioner/dr"}],
    },
    {
        "resourceType": "Patient",
        "id": "bob",
        "identifier": [{"system": "urn:oid:1.2.36", "value": "8"}],
        "name": [{"family": "Baker", "given": ["Bob"]}],
        "gender": "male",
        "birthDate": "1950",
    },
    {"resourceType": "Patient", "id": "nobody"},
    {
        "resourceType": "Encounter",
        "id": "stay",
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "subject": {"reference": "Patient/eve"},
        "participant": [{"individual": {"reference": "Practitioner/dr"}}],
        "serviceProvider": {"reference": "Organization/clinic"},
    },
    observation(
        "pulse-eve",
        "eve",
        encounter={"reference": "Encounter/stay"},
        performer=[{"reference": "Practitioner/dr"}],
        valueQuantity={
            "value": 72,
            "unit": "/min",
            "system": "http://unitsofmeasure.org",
            "code": "/min",
        },
    ),
    observation("pulse-bob", "bob", performer=[{"reference": "Organization/clinic"}]),
    observation(
        "note",
        "bob",
        code={"text": "Wound"},
        note=[{"text": "Healing well, no metastases of the (old) infection"}],
        text={
            "status": "generated",
            "div": '<div xmlns="http://www.w3.org/1999/xhtml">Clean &amp; <b>dry</b></div>',
        },
    ),
    {
        "resourceType": "Provenance",
        "id": "origin",
        "target": [{"reference": "Observation/pulse-eve"}],
        "recorded": "2024-01-01T00:00:00Z",
        "agent": [{"who": {"reference": "Practitioner/dr"}}],
    },
    {
        "resourceType": "List",
        "id": "round",
        "status": "current",
        "mode": "working",
        "entry": [
            {"item": {"reference": "Patient/eve"}},
            {"item": {"reference": "Patient/bob"}, "deleted": True},
            {"item": {"reference": "Observation/note"}},
        ],
    },
    {
        "resourceType": "ValueSet",
        "id": "codes",
        "url": "http://acme.org/fhir/ValueSet/123/history",
        "status": "active",
    },
]
