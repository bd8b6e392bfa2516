"""A database and an archive to save from or to restore to."""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument

from fhir_server.model import Message
from fhir_server.service import FhirService
from fhir_server.store.backup import KEPT, STAGED
from fhir_server.store.store import Store
from kernel.settings import Fhir
from medflow.backup.restore import restore
from medflow.backup.save import save

if TYPE_CHECKING:
    from pathlib import Path

    from dicom_node.archive import Archive
    from fhir_server.store import mongo
    from medflow.backup.save import Saved

EXACT = sorted(set(KEPT) - {"bookmarks"})
UID = "1.2.826.0.1.3680043.8.498.1"
IMAGE = b"\0" * 128 + b"DICM" + bytes(range(256)) * 5000  # more than one piece


@dataclass(frozen=True, slots=True)
class Place:
    """A database and an archive."""

    collections: mongo.Collections
    archive: Archive

    @property
    def service(self) -> FhirService:
        return FhirService(Store(self.collections), Fhir())

    async def save(self, file: Path, *, force: bool = False) -> Saved:
        return await save(self.collections, self.archive.root, file, nothing, force=force)

    async def restore(self, file: Path) -> Saved:
        return await restore(self.collections, self.archive.root, file, nothing)

    async def documents(self, name: str) -> list[bytes]:
        raw: Any = CodecOptions(document_class=RawBSONDocument)
        found = self.collections.database[name].with_options(codec_options=raw)
        return [document.raw async for document in found.find(sort=[("_id", 1)])]

    async def untouched(self) -> bool:
        """Whether a refused restore left nothing at all."""
        names = await self.collections.database.list_collection_names()
        counts = [await self.collections.database[name].count_documents({}) for name in KEPT]
        staged = [name for name in names if name.startswith(STAGED)]
        return not (sum(counts) or staged or self.files())

    def files(self) -> dict[str, bytes]:
        root = self.archive.root
        found = (path for path in root.rglob("*") if path.is_file())
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in found}


def nothing(*_: object) -> None:
    """Be told of progress."""


def patient(id: str, family: str) -> dict[str, Any]:
    identifier = [{"system": "urn:x", "value": id}]
    name = [{"family": family}]
    return {"resourceType": "Patient", "id": id, "identifier": identifier, "name": name}


def message() -> Message:
    return Message(
        id="m1", protocol="hl7v2", peer="10.0.0.1", control="1", kind="ADT^A01", state="refused",
        received=1, raw=b"MSH|\r\x00\xff", reason="It is none.", answer=b"", facts={},
    )  # fmt: skip


def settled(archive: Archive, uid: str, content: bytes) -> None:
    part = archive.receive(1 << 30, 0)
    part.write(content)
    archive.settle(part.commit(), uid)


def members(file: Path) -> list[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(file) as tar:
        return [(info, (tar.extractfile(info) or io.BytesIO()).read()) for info in tar]
