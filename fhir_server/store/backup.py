"""Backup and restore of the database: one snapshot out, one staged copy in.

https://www.mongodb.com/docs/manual/reference/read-concern-snapshot/

Documents leave and enter as the bytes that they are. A restore fills collections named
`restoring.…`, and only when all is there do they take the place of the empty ones, so that a restore
that is killed leaves an empty database. Access tokens and locks live for minutes and stay out.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, cast

from bson import encode
from bson.codec_options import CodecOptions
from bson.errors import InvalidBSON
from bson.raw_bson import RawBSONDocument
from pymongo.errors import BulkWriteError, PyMongoError

from fhir_server.store.mongo import prepare, refusal
from kernel.errors import BadStructure, Conflict, Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from pymongo.asynchronous.client_session import AsyncClientSession

    from fhir_server.store.mongo import Collections

Document = dict[str, Any]
KEPT: Final = (
    "clients",
    "users",
    "definitions",
    "packages",
    "messages",
    "history",
    "events",
    "bookmarks",
    "resources",
)
"""Collections of a backup, in the order in which a restore puts them in place."""
STAGED: Final = "restoring."
SNAPSHOT_UNAVAILABLE: Final = 246
SNAPSHOT_TOO_OLD: Final = 239
ATTEMPTS: Final = 50
PAUSE_S: Final = 0.2
TOGETHER: Final = 1000
LONGEST: Final = 16 * 1024 * 1024 + 16 * 1024  # bytes of a document that MongoDB may hold
TIMESTAMP: Final = 0x82


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The database at one moment."""

    collections: Collections
    session: AsyncClientSession

    async def estimate(self) -> int:
        """Return about how many documents there are, for a progress bar."""
        counts = [await self.collections.database[name].estimated_document_count() for name in KEPT]
        return sum(counts)

    async def batches(self, name: str) -> AsyncIterator[bytes]:
        """Yield the documents of a collection as BSON, many at a time, 16 MB at most.

        Raises:
            Unavailable: the database did not answer, or does not know that moment any more.
        """
        try:
            if name == "bookmarks":
                found = self.collections.bookmarks.find(session=self.session)
                yield b"".join([encode(portable(stored)) async for stored in found])
                return
            collection = self.collections.database[name]
            async for batch in collection.find_raw_batches(session=self.session):
                yield cast("bytes", batch)  # the driver types it as a document
        except PyMongoError as error:
            if getattr(error, "code", None) != SNAPSHOT_TOO_OLD:
                raise refusal(error) from error
            raise Unavailable(
                "The backup took longer than the database remembers: raise its parameter"
                " `minSnapshotHistoryWindowInSeconds`, which is 300 by default."
            ) from error


@asynccontextmanager
async def snapshot(collections: Collections) -> AsyncIterator[Snapshot]:
    """Give the database as it is now.

    Raises:
        Unavailable: the database did not answer, or cannot read from a snapshot.
    """
    for attempt in range(ATTEMPTS):
        async with collections.client.start_session(snapshot=True) as session:
            try:
                # The first read fixes the moment; one where a collection was just made is refused.
                for name in KEPT:
                    await collections.database[name].find_one({}, {"_id": 1}, session=session)
            except PyMongoError as error:
                last = attempt == ATTEMPTS - 1
                if getattr(error, "code", None) != SNAPSHOT_UNAVAILABLE or last:
                    raise refusal(error) from error
            else:
                yield Snapshot(collections, session)
                return
        await asyncio.sleep(PAUSE_S)


def portable(bookmark: Document) -> Document:
    """Return a bookmark without its resume token, which no other database understands.

    Its time becomes that of the token: a subscriber that lags behind is given what it has not seen,
    and one that does not is given the last minutes again.
    """
    kept = {name: value for name, value in bookmark.items() if name != "token"}
    if (moment := _moment(bookmark.get("token"))) is not None:
        kept["at"] = moment
    return kept


def _moment(token: Any) -> datetime | None:
    """Return the cluster time at which a resume token begins: a key string of a timestamp.

    https://github.com/mongodb/mongo/blob/master/src/mongo/db/storage/key_string/README.md
    """
    try:
        data = bytes.fromhex(token["_data"])
    except (TypeError, KeyError, ValueError):
        return None
    if len(data) < 5 or data[0] != TIMESTAMP:
        return None
    return datetime.fromtimestamp(int.from_bytes(data[1:5]), UTC)


async def occupied(collections: Collections) -> dict[str, int]:
    """Return about how many documents are where a restore puts some; `{}` is an empty database.

    Bookmarks do not count: each server writes some, and without events they mean nothing.
    """
    found: dict[str, int] = {}
    try:
        for name in KEPT:
            collection = collections.database[name]
            if name != "bookmarks" and await collection.find_one({}, {"_id": 1}) is not None:
                found[name] = max(1, await collection.estimated_document_count())
    except PyMongoError as error:
        raise refusal(error) from error
    return found


class Staged:
    """A restore under way."""

    def __init__(self, collections: Collections) -> None:
        self._final = collections
        names: dict[str, Any] = {name: collections.database[STAGED + name] for name in KEPT}
        self._staged = replace(collections, **names)

    async def begin(self) -> None:
        """Make empty collections; what a restore that was killed left in them goes."""
        await self.discard()
        try:
            for name in KEPT:
                await self._final.database.create_collection(STAGED + name)
        except PyMongoError as error:
            raise refusal(error) from error

    async def insert(self, name: str, data: bytes) -> int:
        """Insert documents, one after the other in `data`; return how many.

        Raises:
            BadStructure: the bytes are not whole BSON documents, or two have one id.
        """
        raw: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)
        collection = self._final.database[STAGED + name].with_options(codec_options=raw)
        try:
            found = [RawBSONDocument(one, raw) for one in documents(data)]
            for start in range(0, len(found), TOGETHER):
                await collection.insert_many(found[start : start + TOGETHER], ordered=False)
        except (BulkWriteError, InvalidBSON) as error:
            raise BadStructure(f"The database refuses a document of `{name}`.") from error
        except PyMongoError as error:
            raise refusal(error) from error
        return len(found)

    async def settle(self, event_days: int) -> None:
        """Make the indexes, and put everything in place.

        Raises:
            Conflict: somebody wrote into the database meanwhile.
            Unavailable: the database did not answer; it is empty again, if it can be reached.
        """
        await prepare(self._staged, event_days)
        if await occupied(self._final):
            raise Conflict("Somebody wrote into the database during the restore. Stop the server.")
        try:
            for name in KEPT:
                staged = self._final.database[STAGED + name]
                await staged.rename(name, dropTarget=True)
        except BaseException as error:
            await self._empty()
            if isinstance(error, PyMongoError):
                raise refusal(error) from error
            raise

    async def discard(self) -> None:
        """Remove what is not in place yet. Raises Unavailable."""
        try:
            for name in KEPT:
                await self._final.database[STAGED + name].drop()
        except PyMongoError as error:
            raise refusal(error) from error

    async def _empty(self) -> None:
        try:
            for name in KEPT:
                await self._final.database[name].delete_many({})
        except PyMongoError as error:
            raise refusal(error) from error


def documents(data: bytes) -> Iterator[bytes]:
    """Yield the documents that follow one another in `data`. https://bsonspec.org/spec.html

    Raises:
        BadStructure: they are not whole.
    """
    start = 0
    while start < len(data):
        size = int.from_bytes(data[start : start + 4], "little", signed=True)
        end = start + size
        if not 5 <= size <= LONGEST or end > len(data) or data[end - 1]:
            raise BadStructure(f"There is no BSON document at byte `{start}`.")
        yield data[start:end]
        start = end
