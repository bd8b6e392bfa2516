"""Known PHI goes in by every protocol, well and badly formed, and none of it is in the log.

https://hl7.org/fhir/R4/security.html
"""

from __future__ import annotations

import asyncio
import warnings
from typing import TYPE_CHECKING, Any

import httpx
import pydicom
import pytest
from pydicom.data import get_testdata_file

from dicom_node import scu
from hl7_listener.client import send
from tests.e2e import running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CANARIES = ("Zaphodix", "MRN-424242", "1961-02-03", "19610203", "Quillstreet")
PATIENT = {
    "resourceType": "Patient",
    "identifier": [{"system": "urn:example:phi", "value": "MRN-424242"}],
    "name": [{"family": "Zaphodix"}],
    "birthDate": "1961-02-03",
    "address": [{"line": ["Quillstreet"]}],
}
ADMIT = (
    "MSH|^~\\&|ADT|HOSP|MEDFLOW|MEDFLOW|20260101120000||ADT^A01^ADT_A01|{}|P|2.5.1\r"
    "EVN|A01|20260101120000\r"
    "PID|1||MRN-424242^^^HOSP^MR||Zaphodix^Jo||{}|F|||Quillstreet\r"
    "PV1|1|I\r"
)


@pytest.fixture(scope="module")
def loud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[running.Server]:
    """A server that logs all it can."""
    server = running.start(tmp_path_factory.mktemp("loud"), MEDFLOW_LOG__LEVEL="DEBUG")
    yield server
    assert server.stop() == 0


async def test_nothing_of_a_patient_is_in_the_log(loud: running.Server, tmp_path: Path) -> None:
    _rest(loud.endpoints["fhir"]["url"])
    codes = await _hl7(loud.endpoints["mllp"])
    await asyncio.to_thread(_dicom, loud.endpoints["dicom"], tmp_path)

    assert codes == ["AA", "AE"]
    written = loud.log + loud.said
    assert "message.apply" in written
    assert "study.index" in written
    assert [canary for canary in CANARIES if canary in written] == []


def _rest(base: str) -> None:
    bundle: dict[str, Any] = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"resource": PATIENT, "request": {"method": "POST", "url": "Patient"}},
            {"request": {"method": "GET", "url": "Patient?name=Zaphodix"}},
        ],
    }
    with httpx.Client(base_url=f"{base}/") as client:
        stored = client.put("Patient/phi", json=PATIENT | {"id": "phi"})
        answers = [
            stored,
            client.post(base, json=bundle),
            client.get("Patient", params={"name": "Zaphodix", "birthdate": "1961-02-03"}),
            client.get("Patient", params={"Zaphodix": "MRN-424242"}),
            client.get("Patient/Zaphodix"),
            client.post("Patient", json=PATIENT | {"gender": "Zaphodix"}),
            client.post("Patient", content=b'{"name":"Zaphodix', headers=_JSON),
            client.put("Patient/other", json=PATIENT | {"id": "MRN-424242"}),
        ]
    assert [answer.status_code for answer in answers] == [201, 200, 200, 400, 404, 400, 400, 400]


_JSON = {"content-type": "application/fhir+json"}


async def _hl7(at: dict[str, Any]) -> list[str]:
    codes = []
    for control, birth in (("PHI-1", "19610203"), ("PHI-2", "Zaphodix")):
        message = ADMIT.format(control, birth).encode()
        answer = (await send(at["host"], at["port"], message)).decode()
        codes.append(answer.split("MSA|")[1][:2])
    return codes


def _dicom(at: dict[str, Any], folder: Path) -> None:
    good, bad = folder / "good.dcm", folder / "bad.dcm"
    dataset = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    dataset.PatientName, dataset.PatientID = "Zaphodix^Jo", "MRN-424242"
    dataset.PatientBirthDate, dataset.StudyDescription = "19610203", "Quillstreet"
    dataset.save_as(good)
    with warnings.catch_warnings(action="ignore"):  # pydicom's, unless a node has silenced it
        dataset.StudyInstanceUID = "Zaphodix.1"
    dataset.save_as(bad)
    sent = scu.store(scu.Peer(at["host"], at["port"], at["ae_title"]), [good, bad])
    assert [outcome.status == 0 for outcome in sent] == [True, False]
