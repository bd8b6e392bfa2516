"""A node that runs inside the test, and what tests do with it. DICOM PS3.8 §9."""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
from pydicom.data import get_testdata_file
from pynetdicom import AE
from pynetdicom.dimse_primitives import C_STORE

from dicom_node import scu
from dicom_node.archive import Archive
from dicom_node.scp import serve
from fhir_server.model import Context
from fhir_server.service import FhirService
from kernel import ids, tasks
from kernel.errors import Unavailable
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
        await tasks.stop(task)


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
