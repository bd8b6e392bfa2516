"""`kill -9` of everything while bundles come in: what was answered is there, and nothing by half.

https://hl7.org/fhir/R4/http.html#transactional-integrity
"""

from __future__ import annotations

import itertools
import os
import signal
import threading
from typing import TYPE_CHECKING, Any

import httpx

from tests.e2e import running

if TYPE_CHECKING:
    from pathlib import Path

SENDERS = 4
OBSERVATIONS = 30
SYSTEM = "urn:example:crash"


def test_what_was_answered_is_there_and_nothing_by_half(tmp_path: Path) -> None:
    server = running.start(tmp_path, "--only", "web")
    sent = itertools.count()
    answered: list[int] = []
    senders = [
        threading.Thread(target=_send, args=(server.endpoints["fhir"]["url"], sent, answered))
        for _ in range(SENDERS)
    ]
    for sender in senders:
        sender.start()
    running.until(lambda: len(answered) >= 20)

    for pid in [server.process.pid, *running.tree(server.process.pid)]:
        os.kill(pid, signal.SIGKILL)
    server.process.wait()
    for sender in senders:
        sender.join()
    again = running.start(tmp_path, "--only", "web")

    try:
        found = {
            number: _observations(again.endpoints["fhir"]["url"], number)
            for number in range(next(sent))
        }
    finally:
        assert again.stop() == 0
    assert set(found.values()) <= {None, OBSERVATIONS}
    assert all(found[number] == OBSERVATIONS for number in answered)


def _send(base: str, sent: itertools.count[int], answered: list[int]) -> None:
    with httpx.Client(timeout=10) as client:
        for number in sent:
            try:
                response = client.post(base, json=_bundle(number))
            except httpx.TransportError:
                return
            if response.status_code >= 500:  # its database was killed a moment before it
                return
            assert response.status_code == 200
            answered.append(number)


def _bundle(number: int) -> dict[str, Any]:
    urn = f"urn:uuid:00000000-0000-4000-8000-{number:012d}"
    patient = {
        "resourceType": "Patient",
        "identifier": [{"system": SYSTEM, "value": str(number)}],
    }
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "Pulse"},
        "subject": {"reference": urn},
    }
    post = [{"resource": observation, "request": {"method": "POST", "url": "Observation"}}]
    first = {"fullUrl": urn, "resource": patient, "request": {"method": "POST", "url": "Patient"}}
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [first, *post * OBSERVATIONS],
    }


def _observations(base: str, number: int) -> int | None:
    """Return how many Observations the patient of a bundle has; None if there is no patient."""
    with httpx.Client(base_url=f"{base}/") as client:
        found = client.get("Patient", params={"identifier": f"{SYSTEM}|{number}"}).json()
        if "entry" not in found:
            return None
        assert len(found["entry"]) == 1
        query = {"patient": found["entry"][0]["resource"]["id"], "_summary": "count"}
        total: int = client.get("Observation", params=query).json()["total"]
        return total
