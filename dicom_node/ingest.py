"""Take DICOM files that lie in a folder, as `medflow import` does: the same path as a C-STORE.

DICOM PS3.10 §7.
"""

from __future__ import annotations

import asyncio
import zoneinfo
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dicom_node import header
from dicom_node.indexer import Indexer
from dicom_node.mapping.imaging_study import mapped
from kernel import log, tasks
from kernel.errors import FhirError, Invalid

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dicom_node.archive import Archive
    from dicom_node.indexer import Fate
    from dicom_node.mapping.imaging_study import Mapped
    from fhir_server.service import FhirService

PEER: Final = "IMPORT"
TOGETHER: Final = 200  # files read before waiting for the index
_BLOCK: Final = 1 << 20
_log = log.get("dicom.ingest")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file that was not taken, and a sentence that says why. It may quote the file's values."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class Report:
    """What became of the files. `unchanged` were here already."""

    indexed: int = 0
    unchanged: int = 0
    refused: tuple[Refusal, ...] = ()


async def submit(
    service: FhirService,
    archive: Archive,
    path: Path,
    *,
    progress: Callable[[int], None] = lambda count: None,
    max_object_bytes: int = 8 << 30,
    min_free_bytes: int = 256 << 20,
    time_zone: str = "UTC",
) -> Report:
    """Import a file, or every DICOM file below a folder; files of other kinds there are passed over.

    `progress` is called with the number of files done since the last call. Returns when all are
    indexed; a database that does not answer is waited for.
    """
    files = await asyncio.to_thread(_files, path)
    indexer = Indexer(service, archive)
    zone = zoneinfo.ZoneInfo(time_zone)
    fates: list[Fate | Refusal] = []

    def kept(file: Path) -> tuple[Path, Mapped] | Refusal:
        try:
            made = mapped(header.read(file), zone)
            return _copy(archive, file, max_object_bytes, min_free_bytes), made
        except (FhirError, OSError) as error:
            return Refusal(file, str(error))

    async def one(taken: tuple[Path, Mapped] | Refusal) -> Fate | Refusal:
        return taken if isinstance(taken, Refusal) else await indexer.add(taken[0], PEER, taken[1])

    running = asyncio.create_task(indexer.run())
    try:
        for start in range(0, len(files), TOGETHER):
            batch = files[start : start + TOGETHER]
            taken = [await asyncio.to_thread(kept, file) for file in batch]
            done, _ = await asyncio.gather(asyncio.gather(*map(one, taken)), indexer.flush())
            fates += done
            progress(len(batch))
    finally:
        indexer.abandon()
        await tasks.stop(running)
    report = _report(files, fates)
    _log.info(
        "files.import",
        indexed=report.indexed,
        unchanged=report.unchanged,
        refused=len(report.refused),
    )
    return report


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return [file for file in sorted(path.rglob("*")) if file.is_file() and header.is_dicom(file)]


def _copy(archive: Archive, file: Path, max_bytes: int, min_free_bytes: int) -> Path:
    part = archive.receive(max_bytes, min_free_bytes)
    try:
        with file.open("rb") as source:
            while block := source.read(_BLOCK):
                part.write(block)
        return part.commit()
    finally:
        part.discard()


def _report(files: list[Path], fates: list[Fate | Refusal]) -> Report:
    refused = [fate for fate in fates if isinstance(fate, Refusal)]
    aside = Invalid("Other content is kept under its UID, or the server refuses it: set aside.")
    refused += [
        Refusal(file, str(aside))
        for file, fate in zip(files, fates, strict=True)
        if fate == "set aside"
    ]
    return Report(fates.count("indexed"), fates.count("unchanged"), tuple(refused))
