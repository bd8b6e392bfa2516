"""Saving: database and images of one moment into one file; docs/backup.md."""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, BinaryIO, Final

from fhir_server.store.backup import KEPT, documents, snapshot
from kernel import clock
from kernel.errors import Conflict, Unavailable
from medflow.backup import images
from medflow.backup.container import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fhir_server.store.mongo import Collections

    Tell = Callable[[str, int, int | None], object]
    """Is called with what is being done, how much of it is, and of how much if that is known."""

DATABASE: Final = "Documents"
IMAGES: Final = "Images"


@dataclass(frozen=True, slots=True)
class Saved:
    """What a backup holds, or what a restore put in place; `taken` is an instant."""

    taken: str
    documents: dict[str, int]
    images: int


async def save(
    collections: Collections, archive: Path, file: Path, tell: Tell, *, force: bool = False
) -> Saved:
    """Write a backup of the database and of the images below `archive` to `file`.

    Raises:
        Conflict: the file is there, without `force`, or is being written by another backup.
        Unavailable: the database did not answer, or the disk does not take the file.
    """
    try:
        with _replacing(file, force=force) as part:
            return await _save(Writer(part), collections, archive, tell)
    except OSError as error:
        raise Unavailable(f"`{file}` cannot be written: {error.strerror}.") from error


async def _save(writer: Writer, collections: Collections, archive: Path, tell: Tell) -> Saved:
    async with snapshot(collections) as taken:
        at = time.time()
        counts = dict.fromkeys(KEPT, 0)
        total = await taken.estimate()
        for name in KEPT:
            number = 0
            async for batch in taken.batches(name):
                number += 1
                counts[name] += sum(1 for _ in documents(batch))
                member = f"{name}/{number:08d}.bson"
                await asyncio.to_thread(writer.add, member, len(batch), [batch])
                tell(DATABASE, sum(counts.values()), total)
    count = await asyncio.to_thread(_images, writer, archive, at, tell)
    saved = Saved(clock.instant(int(at * 1000)), counts, count)
    facts = {
        "medflow": version("medflow"),
        "taken": saved.taken,
        "documents": counts,
        "images": count,
    }
    await asyncio.to_thread(writer.close, facts)
    return saved


def _images(writer: Writer, archive: Path, at: float, tell: Tell) -> int:
    count = 0
    for count, _ in enumerate(images.collect(writer, archive, at), 1):
        tell(IMAGES, count, None)
    return count


@contextmanager
def _replacing(file: Path, *, force: bool) -> Iterator[BinaryIO]:
    """Give `FILE.part`, readable for its owner only; durable and renamed if all goes well."""
    _refuse(file, force=force)
    part = file.with_name(f"{file.name}.part")
    handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "r+b") as out:
        try:
            fcntl.flock(out, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(f"Another backup writes `{part}`.") from None
        try:
            os.fchmod(handle, 0o600)  # also one that a killed backup left behind
            out.truncate()
            yield out
            out.flush()
            os.fsync(handle)
            _refuse(file, force=force)
            part.replace(file)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _refuse(file: Path, *, force: bool) -> None:
    if file.exists() and not force:
        raise Conflict(f"`{file}` is there already; `--force` replaces it.")
