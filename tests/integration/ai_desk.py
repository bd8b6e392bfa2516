"""A study on a real server, and what the tests of the AI runner ask about it (docs/ai.md)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from ai_adapters import report
from ai_adapters.models.constant import CONSTANT
from kernel.events import ResourceChanged

if TYPE_CHECKING:
    from ai_adapters.adapter import Model
    from fhir_server.model import Context, Version
    from fhir_server.service import FhirService

DCM: Final = "http://dicom.nema.org/resources/ontology/DCM"
NAME: Final = "Quodlibet"


class Desk:
    """A study on the server, and what the tests ask about it."""

    def __init__(self, service: FhirService, ctx: Context) -> None:
        self.service, self.ctx = service, ctx

    async def store(self, instances: int = 1, **changes: Any) -> ResourceChanged:
        """Store study `s1` and return the event of it."""
        return event(await self.put(imaging_study(instances, **changes)))

    async def put(self, resource: dict[str, Any]) -> Version:
        type, id = resource["resourceType"], resource["id"]
        return (await self.service.update(self.ctx, type, id, resource)).version

    async def get(self, type: str, id: str) -> dict[str, Any]:
        version = await self.service.read(self.ctx, type, id)
        resource: dict[str, Any] = json.loads(version.body or b"")
        return resource

    async def report(self, model: Model = CONSTANT) -> dict[str, Any]:
        return await self.get("DiagnosticReport", report.report_id(model, "s1"))

    async def results(self, model: Model = CONSTANT) -> list[dict[str, Any]]:
        references = [each["reference"] for each in (await self.report(model)).get("result", [])]
        return [await self.get(*reference.split("/")) for reference in references]

    async def count(self, type: str) -> int:
        return len(await self.service.find(self.ctx, type, ()))


def imaging_study(instances: int = 1, **changes: Any) -> dict[str, Any]:
    series = {
        "uid": "1.2.3.1",
        "modality": {"system": DCM, "code": "CT"},
        "instance": [
            {
                "uid": f"1.2.3.1.{n}",
                "sopClass": {
                    "system": "urn:ietf:rfc:3986",
                    "code": "urn:oid:1.2.840.10008.5.1.4.1.1.2",
                },
            }
            for n in range(1, instances + 1)
        ],
    }
    resource = {
        "resourceType": "ImagingStudy",
        "id": "s1",
        "identifier": [{"system": "urn:dicom:uid", "value": "urn:oid:1.2.3"}],
        "status": "available",
        "subject": {"reference": "Patient/p1", "display": NAME},
        "description": f"Chest of {NAME}",
        "series": [series] if instances else None,
        **changes,
    }
    return {name: value for name, value in resource.items() if value is not None}


def event(version: Version) -> ResourceChanged:
    deleted = version.body is None
    action = "delete" if deleted else "create" if version.version == 1 else "update"
    return ResourceChanged(
        f"{version.id}:{version.version}",
        version.type,
        version.id,
        version.version,
        action,  # type: ignore[arg-type]  # one of the three
        version.updated,
        "rest",
    )
