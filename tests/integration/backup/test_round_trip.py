"""Backup and restore on a real MongoDB; docs/backup.md.

https://www.mongodb.com/docs/manual/reference/read-concern-snapshot/
"""

from __future__ import annotations

import asyncio
import json
import stat
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from bson import encode
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument

from fhir_server.store import mongo
from fhir_server.store.backup import KEPT, STAGED, portable, snapshot
from fhir_server.store.store import Store
from kernel import tasks
from kernel.errors import Conflict, FhirError
from medflow.backup import container
from medflow.backup.save import save
from tests.integration.backup.place import EXACT, IMAGE, UID, Place, members, patient, settled

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fhir_server.model import Context
    from kernel.events import ResourceChanged


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
    await tasks.stop(relay)

    assert not {id for id in heard.ids if id.startswith("p")}  # ours are; new ones are random


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


async def test_a_backup_that_is_older_than_a_collection_is_restored(
    other: Place, tmp_path: Path
) -> None:
    with (tmp_path / "a.tar.gz").open("wb") as file:
        content = encode({"_id": "nora", "role": "nurse", "patient": None, "practitioner": None})
        writer = container.Writer(file)
        writer.add("users/00000001.bson", len(content), [content])
        writer.close({"documents": {"users": 1}, "images": 0})

    await other.restore(tmp_path / "a.tar.gz")

    assert await other.documents("users") == [content]


def test_every_collection_is_kept_or_left_out_on_purpose() -> None:
    there = {each.name for each in fields(mongo.Collections)} - {"client"}

    assert there - set(KEPT) == {"locks", "tokens", "keys", "jobs", "job_parts"}
