"""What becomes of images that are sent, with real associations. DICOM PS3.4 §A and §B."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pydicom
import pytest

from dicom_node import scu
from dicom_node.archive import Archive
from fhir_server.model import Context
from fhir_server.service import FhirService
from tests.integration.dicom.running import (
    CT,
    MR,
    Broken,
    Running,
    changed,
    eventually,
    running,
    study_of,
)


async def test_an_echo_is_answered(node: Running) -> None:
    assert await asyncio.to_thread(scu.echo, node.peer()) == 0x0000


async def test_after_the_release_the_study_and_its_patient_are_there(
    node: Running, service: FhirService, ctx: Context
) -> None:
    sent = await node.send(CT)

    assert [one.status for one in sent] == [0x0000]
    study = await study_of(service, ctx, CT)
    assert study["status"] == "available"
    assert (study["numberOfSeries"], study["numberOfInstances"]) == (1, 1)
    patients = await service.find(ctx, "Patient", [("identifier", "urn:dicom:issuer:unknown|1CT1")])
    assert [study["subject"]["reference"]] == [patient.reference for patient in patients]


async def test_the_file_is_in_its_place_under_a_digest(node: Running) -> None:
    await node.send(CT)

    uid = pydicom.dcmread(CT).SOPInstanceUID
    found = node.archive.locate(uid)
    assert found is not None
    assert uid not in str(found)
    assert pydicom.dcmread(found).PixelData == pydicom.dcmread(CT).PixelData
    assert list(node.archive.waiting()) == []


async def test_sending_again_makes_no_version(
    node: Running, service: FhirService, ctx: Context
) -> None:
    await node.send(CT)
    before = await study_of(service, ctx, CT)

    sent = await node.send(CT)

    assert sent[0].status == 0x0000
    assert await study_of(service, ctx, CT) == before
    assert before["meta"]["versionId"] == "1"


async def test_instances_in_any_order_make_the_same_study(
    node: Running, service: FhirService, ctx: Context, tmp_path: Path
) -> None:
    uid = str(pydicom.dcmread(CT).SOPInstanceUID)
    files = [
        changed(
            CT, tmp_path / f"{number}.dcm", SOPInstanceUID=f"{uid}.{number}", InstanceNumber=number
        )
        for number in (3, 1, 2)
    ]

    for file in files:
        await node.send(file)

    study = await study_of(service, ctx, CT)
    assert study["numberOfInstances"] == 3
    assert [one["number"] for one in study["series"][0]["instance"]] == [1, 2, 3]


async def test_parallel_senders_lose_no_instance(
    node: Running, service: FhirService, ctx: Context, tmp_path: Path
) -> None:
    uid = str(pydicom.dcmread(CT).SOPInstanceUID)
    files = [
        changed(CT, tmp_path / f"{number}.dcm", SOPInstanceUID=f"{uid}.{number}")
        for number in range(1, 13)
    ]

    await asyncio.gather(*(node.send(*files[start::4]) for start in range(4)))

    assert (await study_of(service, ctx, CT))["numberOfInstances"] == 12


async def test_what_others_wrote_into_study_and_patient_is_kept(
    node: Running, service: FhirService, ctx: Context, tmp_path: Path
) -> None:
    await service.update(
        ctx,
        "Patient",
        "p1",
        {
            "resourceType": "Patient",
            "id": "p1",
            "identifier": [{"system": "urn:id:WARD", "value": "4711"}],
            "birthDate": "1950-01-02",
        },
    )
    file = changed(CT, tmp_path / "a.dcm", PatientID="4711", IssuerOfPatientID="WARD")
    await node.send(file)
    study = await study_of(service, ctx, file)
    assert study["subject"] == {"reference": "Patient/p1"}
    await service.update(ctx, "ImagingStudy", study["id"], {**study, "note": [{"text": "read"}]})

    other = changed(file, tmp_path / "b.dcm", SOPInstanceUID="1.2.3.4")
    await node.send(other)

    study = await study_of(service, ctx, file)
    assert (study["note"], study["numberOfInstances"]) == ([{"text": "read"}], 2)
    patient = await service.read(ctx, "Patient", "p1")
    assert (patient.version, json.loads(patient.body or b"")["birthDate"]) == (1, "1950-01-02")


async def test_an_unknown_issuer_does_not_join_two_people(
    node: Running, service: FhirService, ctx: Context, tmp_path: Path
) -> None:
    one = changed(CT, tmp_path / "a.dcm", PatientID="1", PatientBirthDate="19500101")
    two = changed(MR, tmp_path / "b.dcm", PatientID="1", PatientBirthDate="19990909")

    await node.send(one, two)

    first, second = await study_of(service, ctx, one), await study_of(service, ctx, two)
    assert first["subject"] != second["subject"]


async def test_other_content_under_a_known_uid_is_set_aside(
    node: Running, service: FhirService, ctx: Context, tmp_path: Path
) -> None:
    await node.send(CT)
    other = changed(CT, tmp_path / "other.dcm", StudyDescription="something else")

    sent = await node.send(other)

    assert (sent[0].status, sent[0].comment[:13]) == (0xB000, "Other content")
    assert "something else" not in json.dumps(await study_of(service, ctx, CT))
    assert len(list((node.archive.root / "quarantine").glob("*.dcm"))) == 1


async def test_provenance_names_the_sender_once(
    node: Running, service: FhirService, ctx: Context, tmp_path: Path
) -> None:
    await node.send(CT)
    await node.send(changed(CT, tmp_path / "b.dcm", SOPInstanceUID="1.2.3.4"))

    study = await study_of(service, ctx, CT)
    found = await service.find(ctx, "Provenance", [("target", f"ImagingStudy/{study['id']}")])
    assert len(found) == 1
    assert json.loads(found[0].body or b"")["agent"][0]["who"]["display"] == "TESTER"


async def test_what_is_acknowledged_is_indexed_once_the_database_is_back(
    service: FhirService, ctx: Context, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dicom_node.association.HOLD_S", 0.1)
    broken = Broken(service)
    async with running(broken, archive) as node:  # type: ignore[arg-type]  # a shut door
        sent = await node.send(CT)
        assert sent[0].status == 0x0000
        assert len(list(archive.waiting())) == 1

        broken.shut = False

        await eventually(lambda: not list(archive.waiting()))
    assert (await study_of(service, ctx, CT))["numberOfInstances"] == 1


async def test_what_a_crash_left_is_indexed_at_the_next_start(
    service: FhirService, ctx: Context, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dicom_node.association.HOLD_S", 0.1)
    async with running(Broken(service), archive) as node:  # type: ignore[arg-type]  # a shut door
        await node.send(CT)
    (archive.root / "incoming" / "crashed.part").write_bytes(b"half an image")
    assert len(list(archive.waiting())) == 1

    async with running(service, archive):
        await eventually(lambda: not list(archive.waiting()))
        study = await study_of(service, ctx, CT)

    assert study["numberOfInstances"] == 1
    provenance = await service.find(ctx, "Provenance", [])
    assert json.loads(provenance[0].body or b"")["agent"][0]["who"]["display"] == "TESTER"
    assert list(archive.root.rglob("*.part")) == []
