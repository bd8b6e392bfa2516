"""Whom and what the node turns away, and how. DICOM PS3.8 §9.3.4, PS3.4 §B.2.3."""

from __future__ import annotations

import asyncio
import io
import socket
import struct
from pathlib import Path

import pytest
from pynetdicom import AE
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_STORE

from dicom_node import scu
from dicom_node.archive import Archive
from fhir_server.service import FhirService
from kernel.errors import Unavailable
from tests.integration.dicom.running import (
    CT,
    CT_STORAGE,
    EXPLICIT,
    MR,
    Running,
    changed,
    eventually,
    raw_store,
    running,
)


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
        printed = ""
        async with asyncio.timeout(10):
            while "study.index" not in printed:
                await asyncio.sleep(0.02)
                printed += "".join(capfd.readouterr())

    printed += "".join(capfd.readouterr())
    assert "canary" not in printed.casefold()
    assert "19610203" not in printed
