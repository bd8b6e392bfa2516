"""Bundles as tests write them. https://hl7.org/fhir/R4/bundle.html"""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from fhir_server.model import Context
    from fhir_server.service import FhirService

PATIENT = {"resourceType": "Patient", "identifier": [{"system": "urn:oid:1.2", "value": "7"}]}
OBSERVATION = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}


def entry(method: str, url: str, resource: Any = None, full: str = "", **request: str) -> Any:
    made: dict[str, Any] = {"request": {"method": method, "url": url, **request}}
    if resource is not None:
        made["resource"] = resource
    if full:
        made["fullUrl"] = full
    return made


def bundle(*entries: Any, type: str = "transaction") -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": type, "entry": list(entries)}


async def stored(service: FhirService, ctx: Context, answer: Any, index: int) -> Any:
    type, id = answer["entry"][index]["response"]["location"].split("/")[:2]
    return msgspec.json.decode((await service.read(ctx, type, id)).body or b"")


def json_patch(*operations: Any) -> dict[str, Any]:
    data = b64encode(msgspec.json.encode(operations)).decode()
    return {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": data}


def fhirpath_patch(path: str, value: dict[str, Any]) -> dict[str, Any]:
    parts = [{"name": "type", "valueCode": "replace"}, {"name": "path", "valueString": path}]
    operation = {"name": "operation", "part": [*parts, {"name": "value", **value}]}
    return {"resourceType": "Parameters", "parameter": [operation]}
