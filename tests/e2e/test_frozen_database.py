"""A database that says nothing: a 503 in time, never a yes, and all is well when it is back.

https://hl7.org/fhir/R4/http.html#summary
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx

from tests.e2e import running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE_S = 2
ADMIT = (
    b"MSH|^~\\&|ADT|HOSP|MEDFLOW|MEDFLOW|20260101120000||ADT^A01^ADT_A01|FROZEN|P|2.5.1\r"
    b"EVN|A01|20260101120000\rPID|1||7^^^HOSP^MR||Doe^Jo\rPV1|1|I\r"
)


def test_a_frozen_database_is_told_in_time_and_forgiven(tmp_path: Path) -> None:
    server = running.start(tmp_path, "--only", "web,hl7", MEDFLOW_FHIR__PATIENCE_S=str(PATIENCE_S))
    base = server.endpoints["fhir"]["url"]
    patient = {"resourceType": "Patient", "id": "a"}
    try:
        with httpx.Client(base_url=f"{base}/", timeout=30) as client:
            assert client.put("Patient/a", json=patient).status_code == 201
            with _frozen(server):
                began = time.monotonic()
                read = client.get("Patient/a")
                write = client.put("Patient/a", json=patient | {"active": True})
                took = time.monotonic() - began
            assert (read.status_code, write.status_code) == (503, 503)
            assert write.json()["issue"][0]["code"] == "transient"
            assert took < 4 * PATIENCE_S
            # Stored or not is not known; asked again, it is there once and for all.
            running.until(
                lambda: client.put("Patient/a", json=patient | {"active": True}).status_code == 200
            )
            assert client.get("Patient/a").json()["active"] is True
            assert client.get("Patient/a/_history").json()["total"] == 2
    finally:
        assert server.stop() == 0


def test_a_message_is_not_accepted_by_a_frozen_database(tmp_path: Path) -> None:
    server = running.start(tmp_path, "--only", "web,hl7", MEDFLOW_FHIR__PATIENCE_S=str(PATIENCE_S))
    try:
        with _frozen(server):
            refused = running.medflow(tmp_path, "hl7", "send", "-", given=ADMIT)
        running.until(
            lambda: b"MSA|AA" in running.medflow(tmp_path, "hl7", "send", "-", given=ADMIT).stdout
        )
        base = server.endpoints["fhir"]["url"]
        found = httpx.get(f"{base}/Patient", params={"identifier": "7", "_summary": "count"})
    finally:
        assert server.stop() == 0
    assert b"MSA|AE" in refused.stdout
    assert found.json()["total"] == 1


@contextmanager
def _frozen(server: running.Server) -> Iterator[None]:
    [mongod] = [
        pid for pid, line in running.tree(server.process.pid).items() if "/mongod " in f"{line} "
    ]
    os.kill(mongod, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(mongod, signal.SIGCONT)
