"""What the tests of this folder read: a study, a model, a finding."""

from __future__ import annotations

from typing import Any

from ai_adapters.adapter import Finding, Model
from ai_adapters.models.constant import load

MODEL = Model(
    name="sample",
    version="2.1",
    load=load,
    manufacturer="Somebody",
    description="Sees what it is told.",
    licence="MIT",
    modalities=frozenset({"CT"}),
)
NODULE = Finding("A nodule.", {"system": "http://snomed.info/sct", "code": "27925004"}, 0.875)
PLAIN = Finding("Nothing else.")


def study(**changes: Any) -> dict[str, Any]:
    """Return an ImagingStudy as the server gives it; None takes a member away."""
    resource: dict[str, Any] = {
        "resourceType": "ImagingStudy",
        "id": "s1",
        "meta": {"versionId": "1", "lastUpdated": "2026-01-02T03:04:05.678Z"},
        "identifier": [{"system": "urn:dicom:uid", "value": "urn:oid:1.2.3"}],
        "status": "available",
        "modality": [{"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "CT"}],
        "subject": {"reference": "Patient/p1", "display": "Ana Müller"},
        "started": "2026-01-02T03:00:00Z",
        "series": [
            {
                "uid": "1.2.3.1",
                "modality": {
                    "system": "http://dicom.nema.org/resources/ontology/DCM",
                    "code": "CT",
                },
                "instance": [
                    {"uid": "1.2.3.1.2", "sopClass": {"code": "urn:oid:1.2"}},
                    {"uid": "1.2.3.1.1", "sopClass": {"code": "urn:oid:1.2"}},
                ],
            }
        ],
    }
    resource.update(changes)
    return {name: value for name, value in resource.items() if value is not None}
