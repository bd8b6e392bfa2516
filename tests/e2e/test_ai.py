"""A study stored over REST has a preliminary report soon after (docs/ai.md).

https://hl7.org/fhir/R4/diagnosticreport.html
"""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from collections.abc import Mapping

DEADLINE_S = 60.0


async def test_a_study_stored_over_rest_gets_a_report(server: Mapping[str, Any]) -> None:
    id = f"ai-{uuid.uuid4()}"

    async with httpx.AsyncClient(base_url=server["fhir"]["url"] + "/") as client:
        await put(client, {"resourceType": "Patient", "id": id})
        await put(client, imaging_study(id))
        report = await written(client, id)
        result = (await client.get(report["result"][0]["reference"])).raise_for_status().json()

    assert report["status"] == result["status"] == "preliminary"
    assert report["imagingStudy"] == result["derivedFrom"] == [{"reference": f"ImagingStudy/{id}"}]
    assert report["meta"]["security"][0]["code"] == "AIAST"


async def put(client: httpx.AsyncClient, resource: dict[str, Any]) -> None:
    url = f"{resource['resourceType']}/{resource['id']}"
    (await client.put(url, json=resource)).raise_for_status()


async def written(client: httpx.AsyncClient, patient: str) -> dict[str, Any]:
    """Return the report on a patient as soon as there is one."""
    began = time.monotonic()
    while time.monotonic() - began < DEADLINE_S:
        found = await client.get("DiagnosticReport", params={"patient": f"Patient/{patient}"})
        for entry in found.raise_for_status().json().get("entry", []):
            resource: dict[str, Any] = entry["resource"]
            return resource
        await asyncio.sleep(0.1)
    raise AssertionError(f"No report on `Patient/{patient}` within {DEADLINE_S:g} s.")


def imaging_study(id: str) -> dict[str, Any]:
    modality = {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "DX"}
    sop_class = {"system": "urn:ietf:rfc:3986", "code": "urn:oid:1.2.840.10008.5.1.4.1.1.1.1"}
    instance = {"uid": "1.2.3.1.1", "sopClass": sop_class}
    return {
        "resourceType": "ImagingStudy",
        "id": id,
        "status": "available",
        "subject": {"reference": f"Patient/{id}"},
        "series": [{"uid": "1.2.3.1", "modality": modality, "instance": [instance]}],
    }
