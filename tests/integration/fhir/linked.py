"""Resources that refer to one another, and short ways to ask what comes along.

https://hl7.org/fhir/R4/search.html#revinclude
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import msgspec

from fhir_server.model import EVERYTHING, Context, Origin, Principal
from fhir_server.service import FhirService

BASE = "http://h/fhir"
CANONICAL = "http://acme/Questionnaire/intake"


def reader(*scopes: str, patient: str | None = None) -> Context:
    return Context(Principal("reader", scopes, patient), Origin("rest", "t", "t"), BASE)


def patient(id: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": id, **more}


def observation(id: str, subject: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": subject},
        **more,
    }


def members(*ids: str) -> dict[str, Any]:
    return {"hasMember": [{"reference": f"Observation/{id}"} for id in ids]}


def provenance(id: str, *targets: str) -> dict[str, Any]:
    return {
        "resourceType": "Provenance",
        "id": id,
        "target": [{"reference": target} for target in targets],
        "recorded": "2024-01-01T00:00:00Z",
        "agent": [{"who": {"display": "someone"}}],
    }


def questionnaire(id: str, version: str, url: str = CANONICAL) -> dict[str, Any]:
    return {
        "resourceType": "Questionnaire",
        "id": id,
        "url": url,
        "version": version,
        "status": "active",
    }


def response(id: str, canonical: str) -> dict[str, Any]:
    return {
        "resourceType": "QuestionnaireResponse",
        "id": id,
        "status": "completed",
        "questionnaire": canonical,
    }


async def fill(service: FhirService, *resources: dict[str, Any]) -> None:
    for resource in resources:
        writer = reader(*EVERYTHING)
        await service.update(writer, resource["resourceType"], resource["id"], resource)


async def page(service: FhirService, ctx: Context, url: str) -> Any:
    type, _, query = url.removeprefix(f"{BASE}/").partition("?")
    parameters = parse_qsl(query, keep_blank_values=True)
    return msgspec.json.decode((await service.search(ctx, type or None, parameters)).body)


def modes(bundle: Any) -> dict[str, list[str]]:
    """Return the references of a page's entries by search mode."""
    found: dict[str, list[str]] = {"match": [], "include": [], "outcome": []}
    for entry in bundle.get("entry", []):
        resource = entry["resource"]
        found[entry["search"]["mode"]].append(f"{resource['resourceType']}/{resource.get('id')}")
    return found


async def included(service: FhirService, ctx: Context, url: str) -> list[str]:
    return modes(await page(service, ctx, url))["include"]
