"""The DICOM node with real associations, a real archive and a real database.

DICOM PS3.4 §A and §B, PS3.8 §9, PS3.18 §10.4.
"""

from __future__ import annotations

import asyncio
import io
import json
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fastapi
import httpx
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pynetdicom import AE
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_STORE

from dicom_node import ingest, scu, web
from dicom_node.archive import Archive
from dicom_node.scp import serve
from fhir_server.model import Context
from fhir_server.service import FhirService
from kernel import ids
from kernel.errors import NotFound, Unavailable
from kernel.settings import Dicom

CT = Path(str(get_testdata_file("CT_small.dcm")))
MR = Path(str(get_testdata_file("MR_small.dcm")))
TRUNCATED = Path(str(get_testdata_file("MR_truncated.dcm")))
CT_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"


@dataclass(frozen=True, slots=True)
class Running:
    """A node that listens."""

    port: int
    archive: Archive
    task: asyncio.Task[None]

    def peer(self, called: str = "MEDFLOW") -> scu.Peer:
        return scu.Peer("127.0.0.1", self.port, called, "TESTER")

    async def send(self, *files: Path) -> list[scu.Sent]:
        return await asyncio.to_thread(scu.store, self.peer(), files)


@asynccontextmanager
async def running(
    service: FhirService, archive: Archive, *, any_title: bool = False, **settings: Any
) -> AsyncIterator[Running]:
    """Run a node until the end of the block."""
    listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def announce(host: str, port: int, *, handled: Callable[[], int]) -> None:
        listening.set_result(port)

    made = Dicom(**{"port": 0, "min_free_bytes": 0, **settings})
    task = asyncio.create_task(serve(service, made, archive, announce, any_title=any_title))
    task.add_done_callback(lambda _: listening.cancel())  # it could not start
    try:
        yield Running(await asyncio.wait_for(listening, 10), archive, task)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "dicom")


@pytest.fixture
async def node(service: FhirService, archive: Archive) -> AsyncIterator[Running]:
    async with running(service, archive) as made:
        yield made


class Broken:
    """A door that is shut: stands where the service would be while its database is away."""

    def __init__(self, service: FhirService) -> None:
        self._service = service
        self.shut = True

    def __getattr__(self, name: str) -> Any:
        if self.shut:
            raise Unavailable("The database does not answer.")
        return getattr(self._service, name)


def changed(source: Path, target: Path, **elements: Any) -> Path:
    """Write a copy with other elements; None removes one."""
    dataset = pydicom.dcmread(source)
    for keyword, value in elements.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.save_as(target)
    return target


async def eventually(condition: Callable[[], Any], timeout_s: float = 10) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.02)


async def study_of(service: FhirService, ctx: Context, file: Path) -> dict[str, Any]:
    uid = pydicom.dcmread(file, stop_before_pixels=True).StudyInstanceUID
    version = await service.read(ctx, "ImagingStudy", ids.derived("ImagingStudy", uid))
    found: dict[str, Any] = json.loads(version.body or b"")
    return found


async def test_an_echo_is_answered(node: Running) -> None:
    assert await asyncio.to_thread(scu.echo, node.peer()) == 0x0000


async def test_another_called_title_is_rejected(node: Running) -> None:
    with pytest.raises(Unavailable, match="rejected"):
        await asyncio.to_thread(scu.echo, node.peer("SOMEONE"))


async def test_open_mode_takes_any_called_title(service: FhirService, archive: Archive) -> None:
    async with running(service, archive, any_title=True) as node:
        assert await asyncio.to_thread(scu.echo, node.peer("SOMEONE")) == 0x0000


async def test_a_caller_from_another_network_is_rejected(
    service: FhirService, archive: Archive
) -> None:
    async with running(service, archive, allowed_peers="192.0.2.0/24") as node:
        with pytest.raises(Unavailable, match="rejected"):
            await asyncio.to_thread(scu.echo, node.peer())


async def test_one_association_too_many_is_rejected(service: FhirService, archive: Archive) -> None:
    async with running(service, archive, max_associations=1) as node:
        entity = AE("TESTER")
        entity.add_requested_context("1.2.840.10008.1.1")
        first = await asyncio.to_thread(
            entity.associate, "127.0.0.1", node.port, ae_title="MEDFLOW"
        )
        assert first.is_established

        with pytest.raises(Unavailable, match="rejected"):
            await asyncio.to_thread(scu.echo, node.peer())
        await asyncio.to_thread(first.release)


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


async def test_no_space_is_a700(service: FhirService, archive: Archive) -> None:
    async with running(service, archive, min_free_bytes=1 << 60) as node:
        sent = await node.send(CT)

    assert sent[0].status == 0xA700
    assert "free" in sent[0].comment
    assert list(archive.root.rglob("*.*")) == []


async def test_too_large_is_a700_and_the_association_goes_on(
    service: FhirService, archive: Archive
) -> None:
    async with running(service, archive, max_object_bytes=30_000) as node:
        sent = await node.send(CT, MR)

    assert [one.status for one in sent] == [0xA700, 0x0000]


async def test_a_file_that_is_not_whole_is_refused(node: Running, archive: Archive) -> None:
    data = CT.read_bytes()[:-5000]
    status, comment = await asyncio.to_thread(raw_store, node, data)

    assert status == 0xC000
    assert "truncated" in comment
    assert list(archive.root.rglob("*.*")) == []


async def test_uids_that_contradict_the_request_are_a900(node: Running) -> None:
    status, _ = await asyncio.to_thread(raw_store, node, CT.read_bytes(), "1.2.3.4.5")

    assert status == 0xA900


@pytest.mark.parametrize("uid", ["../../etc/passwd", "1.2.x", "1" * 65])
async def test_what_is_no_uid_is_refused(node: Running, tmp_path: Path, uid: str) -> None:
    data = changed(CT, tmp_path / "a.dcm", StudyInstanceUID=uid).read_bytes()

    status, comment = await asyncio.to_thread(raw_store, node, data)

    assert (status, "not a UID" in comment) == (0xC000, True)


def raw_store(node: Running, file: bytes, uid: str | None = None) -> tuple[int, str]:
    """Send the bytes of a file's data set as they are, under its own UID or another."""
    meta = pydicom.dcmread(io.BytesIO(file), stop_before_pixels=True)
    entity = AE("TESTER")
    entity.add_requested_context(CT_STORAGE, EXPLICIT)
    association = entity.associate("127.0.0.1", node.port, ae_title="MEDFLOW")
    request = C_STORE()
    request.MessageID = 1
    request.AffectedSOPClassUID = CT_STORAGE
    request.AffectedSOPInstanceUID = uid or meta.SOPInstanceUID
    request.Priority = 2
    start = 144 + meta.file_meta.FileMetaInformationGroupLength
    request.DataSet = io.BytesIO(file[start:])
    association._reactor_checkpoint.clear()
    association.dimse.send_msg(request, association.accepted_contexts[0].context_id or 0)
    response: Any = association.dimse.get_msg(block=True)[1]
    association._reactor_checkpoint.set()
    association.release()
    return int(response.Status), str(response.ErrorComment or "")


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


@pytest.mark.parametrize(
    "hostile",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x01\x00" + struct.pack(">L", 0xFFFFFFF0) + b"\0" * 5000,
        b"\x04\x00" + struct.pack(">L", 0x7FFFFFFF) + b"\0" * 5000,
        b"\x01\x00" + struct.pack(">L", 80) + b"\xff" * 80,
    ],
    ids=["http", "huge request", "huge data", "garbage"],
)
async def test_hostile_bytes_end_their_connection_only(node: Running, hostile: bytes) -> None:
    def attack() -> bytes:
        with socket.create_connection(("127.0.0.1", node.port), timeout=15) as connection:
            connection.sendall(hostile)
            try:
                return b"".join(iter(lambda: connection.recv(4096), b""))
            except ConnectionResetError:
                return b""

    answer = await asyncio.to_thread(attack)

    assert answer[:1] in {b"", b"\x07"}  # closed, or A-ABORT first
    assert await asyncio.to_thread(scu.echo, node.peer()) == 0x0000


async def test_silent_and_half_connections_leave_room_for_others(
    service: FhirService, archive: Archive
) -> None:
    async with running(service, archive, max_associations=4) as node:
        silent = [socket.create_connection(("127.0.0.1", node.port)) for _ in range(8)]
        for connection in silent[::2]:
            connection.sendall(b"\x01\x00\x00\x00\x01\x00half")

        assert await asyncio.to_thread(scu.echo, node.peer()) == 0x0000
        for connection in silent:
            connection.close()


async def test_an_aborted_transfer_leaves_nothing(node: Running, archive: Archive) -> None:
    def abort() -> None:
        entity = AE("TESTER")
        entity.add_requested_context(CT_STORAGE, EXPLICIT)
        association = entity.associate("127.0.0.1", node.port, ae_title="MEDFLOW")
        request = C_STORE()
        request.MessageID = 1
        request.AffectedSOPClassUID = CT_STORAGE
        request.AffectedSOPInstanceUID = "1.2.3"
        request.Priority = 2
        request.DataSet = io.BytesIO(b"\0" * 50_000)
        message = C_STORE_RQ()
        message.primitive_to_message(request)
        context = association.accepted_contexts[0].context_id or 0
        for part in list(message.encode_msg(context, 16_000))[:-1]:
            association.dul.send_pdu(part)
        association.abort()

    await asyncio.to_thread(abort)

    await eventually(lambda: not list(archive.root.rglob("*.part")))


async def test_nothing_about_the_patient_is_logged(
    service: FhirService, archive: Archive, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = changed(
        CT,
        tmp_path / "a.dcm",
        PatientName="Canary^Phi",
        PatientID="MRN-CANARY",
        PatientBirthDate="19610203",
        StudyDescription="canary text",
        StudyTime="nonsense canary",
    )
    bad = changed(CT, tmp_path / "b.dcm", PatientName="Canary^Phi", StudyInstanceUID="canary.1")
    async with running(service, archive) as node:
        await node.send(file)
        await asyncio.to_thread(raw_store, node, bad.read_bytes())
        await asyncio.to_thread(raw_store, node, file.read_bytes()[:-4000])

    printed = "".join(capfd.readouterr())
    assert "study.index" in printed
    assert "canary" not in printed.casefold()
    assert "19610203" not in printed


async def test_a_folder_is_imported_like_it_were_sent(
    service: FhirService, ctx: Context, archive: Archive, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for source in (CT, MR, TRUNCATED):
        (folder / source.name).write_bytes(source.read_bytes())
    (folder / "readme.txt").write_text("not an image")

    first = await ingest.submit(service, archive, folder, min_free_bytes=0)
    again = await ingest.submit(service, archive, folder / CT.name, min_free_bytes=0)

    assert (first.indexed, first.unchanged) == (2, 0)
    assert [one.path.name for one in first.refused] == ["MR_truncated.dcm"]
    assert "truncated" in first.refused[0].reason
    assert (again.indexed, again.unchanged, again.refused) == (0, 1, ())
    assert (await study_of(service, ctx, MR))["modality"][0]["code"] == "MR"


@pytest.fixture
async def browser(
    service: FhirService, ctx: Context, archive: Archive
) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client of the DICOMweb routes; a request without `X-User` may see nothing."""

    async def context(request: fastapi.Request) -> Context:
        if "x-user" in request.headers:
            return ctx
        raise NotFound("`ImagingStudy` is not known.")

    app = fastapi.FastAPI()
    app.include_router(web.router(service, archive, context), prefix="/dicomweb")
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://test/dicomweb/",
        headers={"X-User": "me", "Accept": "*/*"},
    ) as client:
        yield client


def place(file: Path) -> tuple[str, str, str]:
    found = pydicom.dcmread(file, stop_before_pixels=True)
    return found.StudyInstanceUID, found.SeriesInstanceUID, found.SOPInstanceUID


@pytest.fixture
async def imported(service: FhirService, archive: Archive) -> tuple[str, str, str]:
    await ingest.submit(service, archive, CT, min_free_bytes=0)
    return place(CT)


async def test_a_study_is_retrieved_as_multipart(
    browser: httpx.AsyncClient, imported: tuple[str, str, str]
) -> None:
    study, series, instance = imported

    answer = await browser.get(f"studies/{study}")

    assert answer.status_code == 200
    kind, boundary = answer.headers["content-type"].split("; boundary=")
    assert kind == 'multipart/related; type="application/dicom"'
    _, part, end = answer.content.split(b"--" + boundary.strip('"').encode())
    head, _, body = part.partition(b"\r\n\r\n")
    assert f"transfer-syntax={EXPLICIT}".encode() in head
    assert f"studies/{study}/series/{series}/instances/{instance}".encode() in head
    assert body[:-2] == CT.read_bytes()
    assert end == b"--\r\n"


@pytest.mark.parametrize("levels", [1, 2, 3])
async def test_metadata_has_every_element_but_bulk_data(
    browser: httpx.AsyncClient, imported: tuple[str, str, str], levels: int
) -> None:
    path = "/".join(
        f"{name}/{uid}"
        for name, uid in zip(("studies", "series", "instances")[:levels], imported, strict=False)
    )

    answer = await browser.get(f"{path}/metadata", headers={"Accept": "application/dicom+json"})

    assert answer.headers["content-type"] == "application/dicom+json"
    (found,) = answer.json()
    assert found["0020000D"] == {"vr": "UI", "Value": [imported[0]]}
    assert found["00100010"]["Value"] == [{"Alphabetic": "CompressedSamples^CT1"}]
    assert "7FE00010" not in found


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        ('multipart/related; type="application/dicom"', 200),
        ('multipart/related; type="application/dicom"; transfer-syntax=*', 200),
        (f'multipart/related; type="application/dicom"; transfer-syntax={EXPLICIT}', 200),
        ("application/dicom", 200),
        ('multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2', 406),
        ('multipart/related; type="image/jpeg"', 406),
        ("text/html", 406),
    ],
)
async def test_accept_decides(
    browser: httpx.AsyncClient, imported: tuple[str, str, str], wanted: str, status: int
) -> None:
    study, series, instance = imported

    answer = await browser.get(
        f"studies/{study}/series/{series}/instances/{instance}", headers={"Accept": wanted}
    )

    assert answer.status_code == status
    if wanted == "application/dicom":
        assert answer.content == CT.read_bytes()


@pytest.mark.parametrize(
    ("path", "status"),
    [("studies/1.2.3", 404), ("studies/x.y", 400), ("studies/{study}/series/1.2/metadata", 404)],
)
async def test_what_is_not_here_is_an_outcome(
    browser: httpx.AsyncClient, imported: tuple[str, str, str], path: str, status: int
) -> None:
    answer = await browser.get(path.format(study=imported[0]))

    assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome")


async def test_who_may_not_read_the_study_gets_no_image(
    browser: httpx.AsyncClient, imported: tuple[str, str, str]
) -> None:
    del browser.headers["X-User"]

    answer = await browser.get(f"studies/{imported[0]}")

    assert answer.status_code == NotFound.status
