"""The application in this process, and a client that talks to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx

from fhir_server.http.app import create_app
from kernel.settings import Auth, Http, Settings

if TYPE_CHECKING:
    from fhir_server.service import FhirService
    from fhir_server.store.store import Store

JSON = {"content-type": "application/fhir+json"}
PATIENT = {"resourceType": "Patient", "name": [{"family": "Doe"}]}


def client_of(
    service: FhirService, store: Store, settings: Settings | None = None, **http: Any
) -> httpx.AsyncClient:
    """Return a client of a server that is open to everyone, or of one with other settings."""
    chosen = settings or Settings(auth=Auth(mode="open"), http=Http(**http))
    app = create_app(service, store.accounts, chosen)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://h")


def issue(response: httpx.Response) -> Any:
    """Return the first issue of the OperationOutcome that an answer must be."""
    assert response.json()["resourceType"] == "OperationOutcome"
    return response.json()["issue"][0]


def diagnostics(response: httpx.Response) -> str:
    """Return all that an OperationOutcome says."""
    return " ".join(one["diagnostics"] for one in response.json()["issue"])


async def put(client: httpx.AsyncClient, type: str, id: str, **members: Any) -> httpx.Response:
    """Store a resource under its id; Patient by default needs nothing else."""
    body = {"resourceType": type, "id": id} | members
    answer = await client.put(f"/fhir/{type}/{id}", json=body, headers=JSON)
    assert answer.status_code in {200, 201}, answer.text
    return answer
