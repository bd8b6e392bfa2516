"""Restoring: a file of `medflow backup` into an empty database and archive; docs/backup.md.

The file is read twice: first as a whole, so that a damaged one is refused before anything is
touched, then again to put it beside what it will become. Only at the end is it moved into place.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from fhir_server.store.backup import KEPT, Staged, occupied
from kernel.errors import BadStructure, Conflict, Unavailable
from medflow.backup.container import IMAGES, Reader
from medflow.backup.images import Incoming
from medflow.backup.save import Saved

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fhir_server.store.mongo import Collections
    from medflow.backup.container import Member
    from medflow.backup.save import Tell

VERIFYING: Final = "Verifying"
RESTORING: Final = "Restoring"


async def restore(
    collections: Collections, archive: Path, file: Path, tell: Tell, *, event_days: int = 30
) -> Saved:
    """Put what `file` holds in place, all of it or nothing.

    Raises:
        Conflict: the database or the archive is not empty.
        BadStructure: the file is damaged, was cut or edited, or is no backup.
        Unavailable: the database did not answer, or the disk does not take the images.
    """
    await _require_empty(collections)
    try:
        incoming = Incoming(archive)
        incoming.require_empty()
        with file.open("rb") as source:
            manifest = await asyncio.to_thread(_verify, source, tell)
            staged = Staged(collections)
            try:
                await staged.begin()
                incoming.begin()
                saved = await _fill(source, manifest, staged, incoming, tell)
                await _settle(staged, incoming, event_days)
            finally:
                incoming.discard()
                await staged.discard()
    except OSError as error:
        where = error.filename or file
        raise Unavailable(f"`{where}` cannot be read or written: {error.strerror}.") from error
    return saved


async def _require_empty(collections: Collections) -> None:
    there = await occupied(collections)
    if there:
        found = ", ".join(f"`{count}` in `{name}`" for name, count in there.items())
        raise Conflict(
            f"The database `{collections.database.name}` is not empty: there are documents,"
            f" {found}. A restore needs an empty one: set `MEDFLOW_MONGODB_DATABASE` or"
            " `MEDFLOW_DATA_DIR` to another."
        )


def _verify(source: BinaryIO, tell: Tell) -> dict[str, Any]:
    reader = Reader(source)
    for _ in _told(reader, source, VERIFYING, tell):
        pass
    return reader.manifest


async def _fill(
    source: BinaryIO, manifest: dict[str, Any], staged: Staged, incoming: Incoming, tell: Tell
) -> Saved:
    source.seek(0)
    reader = Reader(source)
    members = _told(reader, source, RESTORING, tell)
    counts, images = dict.fromkeys(KEPT, 0), 0
    while (member := await asyncio.to_thread(next, members, None)) is not None:
        if member.name.startswith(IMAGES):
            await asyncio.to_thread(incoming.take, member)
            images += 1
        else:
            content = await asyncio.to_thread(member.content)
            counts[member.collection] += await staged.insert(member.collection, content)
    if reader.manifest != manifest:
        raise BadStructure("The file changed while it was read.")
    # A backup that is older than a collection has nothing of it.
    promised = dict.fromkeys(KEPT, 0) | manifest["documents"]
    if counts != promised or images != manifest.get("images"):
        raise BadStructure("The file does not hold as much as its manifest says.")
    return Saved(str(manifest.get("taken", "")), counts, images)


async def _settle(staged: Staged, incoming: Incoming, event_days: int) -> None:
    """Images first: an index of images that are not there would be the worse half."""
    await asyncio.to_thread(incoming.settle)
    try:
        await staged.settle(event_days)
    except BaseException:
        incoming.undo()
        raise


def _told(reader: Reader, source: BinaryIO, what: str, tell: Tell) -> Iterator[Member]:
    """Yield the members, and tell how much of the file is read."""
    here = source.tell()
    size = source.seek(0, 2)
    source.seek(here)
    for member in reader.members():
        tell(what, source.tell(), size)
        yield member
    tell(what, size, size)
