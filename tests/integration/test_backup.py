"""Backup and restore on a real MongoDB; docs/backup.md.

https://www.mongodb.com/docs/manual/reference/read-concern-snapshot/
"""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import stat
import tarfile
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument

from dicom_node.archive import Archive
from fhir_server.model import Message
from fhir_server.service import FhirService
from fhir_server.store import mongo
from fhir_server.store.backup import KEPT, STAGED, portable, snapshot
from fhir_server.store.store import Store
from kernel.errors import BadStructure, Conflict, FhirError
from kernel.settings import Fhir
from medflow.backup import container
from medflow.backup.restore import restore
from medflow.backup.save import save

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Sequence
    from pathlib import Path

    from fhir_server.model import Context
    from kernel.events import ResourceChanged
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


@pytest_asyncio.fixture(scope="session")
async def elsewhere(mongodb_uri: str) -> AsyncIterator[mongo.Collections]:
    """A second database."""
    made = mongo.connect(mongodb_uri, "medflow_restored")
    await mongo.prepare(made)
    yield made
    await made.client.close()


@pytest_asyncio.fixture
async def other(elsewhere: mongo.Collections, tmp_path: Path) -> Place:
    """An empty place to restore to."""
    for name in await elsewhere.database.list_collection_names():
        await elsewhere.database[name].delete_many({})
    return Place(elsewhere, Archive(tmp_path / "other"))


@pytest_asyncio.fixture
async def place(store: Store, service: FhirService, ctx: Context, tmp_path: Path) -> Place:
    """A place with something of everything in it."""
    archive = Archive(tmp_path / "dicom")
    ids = [f"p{number}" for number in range(150)]  # more than the database gives at first
    await asyncio.gather(*(service.update(ctx, "Patient", id, patient(id, "A")) for id in ids))
    await service.update(ctx, "Patient", "p0", patient("p0", "B"))
    await service.delete(ctx, "Patient", "p1")
    await service.keep(ctx, message())
    await store.accounts.add_client("reporting", ("system/*.rs",))
    await store.accounts.add_user("nora", "nurse", "correct horse")
    settled(archive, UID, IMAGE)
    return Place(store.collections, archive)


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


async def test_every_document_comes_back_byte_for_byte(
    place: Place, other: Place, tmp_path: Path
) -> None:
    before = {name: await place.documents(name) for name in EXACT}

    saved = await place.save(tmp_path / "a.tar.gz")
    restored = await other.restore(tmp_path / "a.tar.gz")

    assert {name: await other.documents(name) for name in EXACT} == before
    assert all(before.values())
    assert restored == saved
    assert saved.documents["resources"] == 150
    assert saved.images == 1


async def test_reads_history_and_searches_work_after_a_restore(
    place: Place, other: Place, ctx: Context, tmp_path: Path
) -> None:
    await place.save(tmp_path / "a.tar.gz")
    await other.restore(tmp_path / "a.tar.gz")

    for service in (place.service, other.service):
        found = await service.find(ctx, "Patient", [("identifier", "urn:x|p0")])
        assert [version.version for version in found] == [2]
        assert (await service.vread(ctx, "Patient", "p0", 1)).body is not None
    assert await other.service.read(ctx, "Patient", "p0") == await place.service.read(
        ctx, "Patient", "p0"
    )
    later = await other.service.update(ctx, "Patient", "p0", patient("p0", "C"))
    assert later.version.version == 3


async def test_the_indexes_are_those_of_a_new_database(
    place: Place, other: Place, tmp_path: Path
) -> None:
    before = await indexes(other)

    await place.save(tmp_path / "a.tar.gz")
    await other.restore(tmp_path / "a.tar.gz")

    assert await indexes(other) == before


async def indexes(place: Place) -> dict[str, Any]:
    database = place.collections.database
    return {
        name: await database[name].index_information()
        for name in sorted(await database.list_collection_names())
    }


async def test_what_is_written_meanwhile_is_not_in_the_snapshot(place: Place, ctx: Context) -> None:
    async with snapshot(place.collections) as taken:
        await place.service.update(ctx, "Patient", "late", patient("late", "L"))
        data = b"".join([batch async for batch in taken.batches("resources")])

    assert data == b"".join(await unsorted_without(place, b"late"))


async def unsorted_without(place: Place, id: bytes) -> list[bytes]:
    raw: Any = CodecOptions(document_class=RawBSONDocument)
    found = place.collections.resources.with_options(codec_options=raw).find()
    return [document.raw async for document in found if b"Patient/" + id not in document.raw]


@dataclass(slots=True)
class Heard:
    """A subscriber that notes what it is told."""

    name: str
    ids: list[str] = field(default_factory=list)

    async def handle(self, events: Sequence[ResourceChanged]) -> None:
        self.ids += [event.id for event in events]


async def test_a_bookmark_loses_its_token_and_keeps_its_moment() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    token = {"_data": f"82{int(at.timestamp()):08X}000000012B0229296E04"}

    kept = portable({"_id": "ai", "token": token, "at": at + timedelta(hours=1)})

    assert kept == {"_id": "ai", "at": at}
    assert portable({"_id": "reindex", "generation": 1}) == {"_id": "reindex", "generation": 1}
    assert portable({"_id": "ai", "token": {"_data": "?"}, "at": at}) == {"_id": "ai", "at": at}


async def test_a_real_token_says_when_it_was_made(place: Place) -> None:
    async with await place.collections.events.watch(max_await_time_ms=1) as stream:
        await stream.try_next()
        kept = portable({"_id": "ai", "token": stream.resume_token})

    assert abs(kept["at"] - datetime.now(UTC)) < timedelta(minutes=1)


async def test_a_subscriber_is_not_told_again_what_it_was_told_before_the_backup(
    place: Place, other: Place, ctx: Context, tmp_path: Path
) -> None:
    # An hour ahead: the events of this test are then as good as long past.
    ahead = datetime.now(UTC) + timedelta(hours=1)
    await place.collections.bookmarks.insert_one({"_id": "ai", "at": ahead})
    await place.save(tmp_path / "a.tar.gz")
    await other.restore(tmp_path / "a.tar.gz")
    heard = Heard("ai")

    relay = asyncio.create_task(Store(other.collections).relay.run(heard))
    async with asyncio.timeout(20):
        while not heard.ids:  # the stream may open after the first of these
            await other.service.create(ctx, "Patient", patient("new", "New"))
            await asyncio.wait([relay], timeout=0.2)
    relay.cancel()
    await asyncio.wait([relay])

    assert not {id for id in heard.ids if id.startswith("p")}  # ours are; new ones are random


async def test_a_cut_file_is_refused_and_leaves_nothing(
    place: Place, other: Place, tmp_path: Path
) -> None:
    file = tmp_path / "a.tar.gz"
    await place.save(file)
    whole = file.read_bytes()

    for length in (0, 10, len(whole) // 2, len(whole) - 9, len(whole) - 1):
        file.write_bytes(whole[:length])
        with pytest.raises(BadStructure):
            await other.restore(file)

    assert await other.untouched()


async def test_a_flipped_bit_is_refused_and_leaves_nothing(
    place: Place, other: Place, tmp_path: Path
) -> None:
    file = tmp_path / "a.tar.gz"
    await place.save(file)
    whole = file.read_bytes()

    for at in range(20, len(whole), len(whole) // 10):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(BadStructure):
            await other.restore(file)

    assert await other.untouched()


def members(file: Path) -> list[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(file) as tar:
        return [(info, (tar.extractfile(info) or io.BytesIO()).read()) for info in tar]


def written(file: Path, found: Iterable[tuple[tarfile.TarInfo, bytes]]) -> None:
    with (
        gzip.open(file, "wb") as out,
        tarfile.open(fileobj=out, mode="w|", format=tarfile.GNU_FORMAT) as tar,
    ):
        for info, content in found:
            tar.addfile(info, io.BytesIO(content))


def changed(name: str, content: bytes) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    return info, content


EDITS: dict[str, Callable[[list[Any]], list[Any]]] = {
    "a member less": lambda found: found[1:],
    "a member twice": lambda found: [found[0], *found],
    "a member more": lambda found: [changed("users/00000009.bson", b""), *found],
    "another order": lambda found: [found[1], found[0], *found[2:]],
    "edited": lambda found: [changed(found[0][0].name, found[0][1] + b"\0"), *found[1:]],
    "no sums": lambda found: [one for one in found if not one[0].name.startswith("sums/")],
    "no manifest": lambda found: found[:-1],
    "other manifest": lambda found: [*found[:-1], changed("manifest.json", b'{"format": 1}')],
    "no JSON": lambda found: [*found[:-1], changed("manifest.json", b"{")],
    "more at the end": lambda found: [*found, found[0]],
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
async def test_an_edited_file_is_refused_and_leaves_nothing(
    place: Place, other: Place, tmp_path: Path, edit: Callable[[list[Any]], list[Any]]
) -> None:
    await place.save(tmp_path / "a.tar.gz")
    written(tmp_path / "b.tar.gz", edit(members(tmp_path / "a.tar.gz")))

    with pytest.raises(BadStructure):
        await other.restore(tmp_path / "b.tar.gz")

    assert await other.untouched()


def hostile(name: str, type: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = type, link, 0
    return info


@pytest.mark.parametrize(
    "info",
    [
        hostile("/etc/passwd"),
        hostile("dicom/../../x.dcm"),
        hostile("dicom/incoming/../x.dcm"),
        hostile("dicom/incoming/.dcm"),
        hostile("dicom/incoming/a\n.dcm"),
        hostile(f"dicom/store/aa/bb/{'c' * 64}.dcm"),
        hostile("dicom/incoming/a.dcm", tarfile.SYMTYPE, "/etc/passwd"),
        hostile("dicom/incoming/a.dcm", tarfile.LNKTYPE, "manifest.json"),
        hostile("dicom/incoming/a.dcm", tarfile.CHRTYPE),
        hostile("dicom/incoming/a.dcm", tarfile.FIFOTYPE),
        hostile("dicom/incoming/a.dcm", tarfile.GNUTYPE_SPARSE),
        hostile("dicom/incoming", tarfile.DIRTYPE),
        hostile("tokens/00000001.bson"),
        hostile("admin/00000001.bson"),
    ],
    ids=lambda info: f"{info.name!r} {info.type!r}",
)
async def test_a_hostile_member_is_refused(
    place: Place, other: Place, tmp_path: Path, info: tarfile.TarInfo
) -> None:
    await place.save(tmp_path / "a.tar.gz")
    written(tmp_path / "b.tar.gz", [(info, b""), *members(tmp_path / "a.tar.gz")])

    with pytest.raises(BadStructure, match=r"is not a member of a backup|damaged"):
        await other.restore(tmp_path / "b.tar.gz")

    assert await other.untouched()


@pytest.mark.parametrize(
    "content", [b"\0" * 5, b"\xff\xff\xff\x7f\0", b"\5\0\0\0", b"\5\0\0\0\0" * 2]
)
async def test_a_file_with_right_sums_and_wrong_documents_leaves_nothing(
    other: Place, tmp_path: Path, content: bytes
) -> None:
    with (tmp_path / "a.tar.gz").open("wb") as file:
        writer = container.Writer(file)
        writer.add("users/00000001.bson", len(content), [content])
        writer.close({"documents": dict.fromkeys(KEPT, 0), "images": 0})

    with pytest.raises(BadStructure):
        await other.restore(tmp_path / "a.tar.gz")

    assert await other.untouched()


async def test_a_full_database_is_refused_and_stays_as_it_is(place: Place, tmp_path: Path) -> None:
    await place.save(tmp_path / "a.tar.gz")
    before = {name: await place.documents(name) for name in EXACT}

    with pytest.raises(Conflict, match="`150` in `resources`"):
        await place.restore(tmp_path / "a.tar.gz")

    assert {name: await place.documents(name) for name in EXACT} == before
    assert place.files()


async def test_an_archive_with_images_is_refused(
    place: Place, other: Place, tmp_path: Path
) -> None:
    await place.save(tmp_path / "a.tar.gz")
    settled(other.archive, "1.2.3", IMAGE)

    with pytest.raises(Conflict, match="There are images"):
        await other.restore(tmp_path / "a.tar.gz")


async def test_what_a_killed_restore_left_is_no_obstacle(
    place: Place, other: Place, tmp_path: Path
) -> None:
    await place.save(tmp_path / "a.tar.gz")
    await other.collections.database[f"{STAGED}users"].insert_one({"_id": "left"})
    (other.archive.root / "restoring" / "incoming").mkdir(parents=True)
    (other.archive.root / "restoring" / "incoming" / "a.dcm").touch()

    await other.restore(tmp_path / "a.tar.gz")

    assert await other.documents("users") == await place.documents("users")
    assert not any("restoring" in name for name in other.files())


async def test_images_that_settled_long_before_keep_their_place(
    place: Place, other: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medflow.backup.images.LATE_S", -3600.0)

    await place.save(tmp_path / "a.tar.gz")
    await other.restore(tmp_path / "a.tar.gz")

    assert other.files() == place.files()
    assert other.archive.locate(UID) is not None


async def test_images_that_may_not_be_in_the_snapshot_wait_for_the_index(
    place: Place, other: Place, tmp_path: Path
) -> None:
    waiting = place.archive.receive(1 << 30, 0)
    waiting.write(b"waits")
    waiting.commit()

    await place.save(tmp_path / "a.tar.gz")
    await other.restore(tmp_path / "a.tar.gz")

    assert sorted(file.read_bytes() for file in other.archive.waiting()) == sorted(
        [IMAGE, b"waits"]
    )


async def test_the_file_is_for_its_owner_only_and_is_not_replaced_unasked(
    place: Place, tmp_path: Path
) -> None:
    file = tmp_path / "a.tar.gz"
    (tmp_path / "a.tar.gz.part").write_bytes(b"left behind" * 100_000)
    (tmp_path / "a.tar.gz.part").chmod(0o666)

    await place.save(file)
    first = file.read_bytes()
    with pytest.raises(Conflict, match="--force"):
        await place.save(file)

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_bytes() == first
    await place.save(file, force=True)
    assert not (tmp_path / "a.tar.gz.part").exists()


async def test_a_backup_that_fails_leaves_no_file(place: Place, tmp_path: Path) -> None:
    with pytest.raises(FhirError):
        await place.save(tmp_path / "nowhere" / "a.tar.gz")

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await save(place.collections, place.archive.root, tmp_path / "a.tar.gz", stop)

    assert not list(tmp_path.glob("a.tar.gz*"))


async def test_other_tools_can_read_it(place: Place, tmp_path: Path) -> None:
    await place.save(tmp_path / "a.tar.gz")

    found = {info.name: content for info, content in members(tmp_path / "a.tar.gz")}

    manifest = json.loads(found["manifest.json"])
    assert manifest["format"] == 1
    assert manifest["documents"]["users"] == 1
    assert b"users/00000001.bson" in found["sums/00000001"]


def test_every_collection_is_kept_or_left_out_on_purpose() -> None:
    there = {each.name for each in fields(mongo.Collections)} - {"client"}

    assert there - set(KEPT) == {"locks", "tokens"}
