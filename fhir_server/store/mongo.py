"""MongoDB: the client, the collections and their indexes.

https://www.mongodb.com/docs/manual/core/transactions/

    resources  current versions of all types     _id `Type/id`
    history    superseded versions                _id `Type/id/0000000001`
    events     one document per commit            _id ObjectId
    messages   original messages of other protocols
    locks      one document per conditional criteria, so that races are serialised
    bookmarks  how far each subscriber has come
    keys       keys that all processes share
    clients, users, tokens   accounts
    jobs, job_parts   requests that are answered later, and their answers in pieces
    packages, definitions   loaded FHIR packages, and a document per definition (store/packages.py)

Fields of a resource document: `v` version, `u` last update (ms), `m` method, `b` the exact JSON,
`o` origin (protocol, principal, peer, message), `i` index generation; for search `k` tokens,
`s` strings, `q` ranges, `p` patient,
`d` primary date (ms), and without an index `x` texts and `e` marks of elements that are there; of a deletion only `kx`, the tokens that decide who may know of it.
A superseded version also has `r`, its `Type/id`, and `z`, when it was superseded (ms).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pymongo import ASCENDING, DESCENDING, AsyncMongoClient, IndexModel, WriteConcern
from pymongo.errors import DocumentTooLarge, OperationFailure, PyMongoError

from kernel import log
from kernel.errors import FhirError, TooLarge, Unavailable

if TYPE_CHECKING:
    from pymongo.asynchronous.collection import AsyncCollection
    from pymongo.asynchronous.database import AsyncDatabase

Document = dict[str, Any]
TOO_LARGE: Final = frozenset({10334, 17280, 17420})
"""BSONObjectTooLarge, KeyTooLong, and a document over the limit."""
SOCKET_TIMEOUT_MS: Final = 60_000
"""Longest silence of a server that owes an answer; beyond every time limit of a query of ours."""
DURABLE: Final = WriteConcern(w="majority", j=True)

_log = log.get("mongo")

# Sparse: a deletion has none of these, and most resources have no strings or ranges.
RESOURCE_INDEXES: Final = (
    IndexModel([("k", ASCENDING), ("d", DESCENDING), ("_id", ASCENDING)], name="token"),
    IndexModel(
        [("p", ASCENDING), ("k", ASCENDING), ("d", DESCENDING), ("_id", ASCENDING)],
        name="patient",
        partialFilterExpression={"p": {"$exists": True}},
    ),
    IndexModel([("s", ASCENDING)], name="string", sparse=True),
    IndexModel(
        [("q.p", ASCENDING), ("q.l", ASCENDING), ("q.h", ASCENDING)], name="range", sparse=True
    ),
    IndexModel([("u", DESCENDING), ("_id", ASCENDING)], name="updated"),
)
# A type's or the system's history is one merge of this and `updated`, which have one order.
HISTORY_INDEXES: Final = (
    IndexModel([("u", DESCENDING), ("r", ASCENDING), ("z", ASCENDING)], name="updated"),
)
MESSAGE_INDEXES: Final = (
    IndexModel([("protocol", ASCENDING), ("received", DESCENDING)], name="received"),
)


@dataclass(frozen=True, slots=True)
class Collections:
    """The database's collections; writes are durable (`w: majority, j: true`) on each."""

    client: AsyncMongoClient[Document]
    resources: AsyncCollection[Document]
    history: AsyncCollection[Document]
    events: AsyncCollection[Document]
    messages: AsyncCollection[Document]
    locks: AsyncCollection[Document]
    bookmarks: AsyncCollection[Document]
    keys: AsyncCollection[Document]
    clients: AsyncCollection[Document]
    users: AsyncCollection[Document]
    tokens: AsyncCollection[Document]
    jobs: AsyncCollection[Document]
    job_parts: AsyncCollection[Document]
    packages: AsyncCollection[Document]
    definitions: AsyncCollection[Document]

    @property
    def database(self) -> AsyncDatabase[Document]:
        return self.resources.database


def connect(uri: str, database: str = "medflow") -> Collections:
    """Return the collections; no connection is made until the first call."""
    client: AsyncMongoClient[Document] = AsyncMongoClient(
        uri,
        serverSelectionTimeoutMS=5000,
        connectTimeoutMS=5000,
        socketTimeoutMS=SOCKET_TIMEOUT_MS,
        appname="medflow",
        tz_aware=True,
    )
    db = client.get_database(database, write_concern=DURABLE)
    names = Collections.__dataclass_fields__.keys() - {"client"}
    return Collections(client=client, **{name: db[name] for name in names})


async def prepare(
    collections: Collections, event_days: int = 30, page_lifetime_s: int = 900
) -> None:
    """Make collections and indexes that are not there yet; safe to run from many processes.

    Raises:
        Unavailable: MongoDB does not answer, or is not a replica set.
    """
    try:
        hello = await collections.client.admin.command("hello")
        if "setName" not in hello and hello.get("msg") != "isdbgrid":
            raise Unavailable(
                "MongoDB runs without a replica set, so it has no transactions."
                " Start it with `--replSet`, or leave `MEDFLOW_MONGODB_URI` empty."
            )
        await collections.resources.create_indexes(list(RESOURCE_INDEXES))
        await collections.history.create_indexes(list(HISTORY_INDEXES))
        await collections.messages.create_indexes(list(MESSAGE_INDEXES))
        await collections.events.create_indexes(
            [IndexModel([("at", ASCENDING)], name="age", expireAfterSeconds=event_days * 86_400)]
        )
        await collections.tokens.create_indexes(
            [IndexModel([("expires", ASCENDING)], name="expiry", expireAfterSeconds=0)]
        )
        await collections.definitions.create_indexes([IndexModel([("l", ASCENDING)], name="load")])
        for short_lived in (collections.jobs, collections.job_parts):
            await short_lived.create_indexes(
                [IndexModel([("expires", ASCENDING)], name="expiry", expireAfterSeconds=0)]
            )
        await _create_missing(collections)
        await _keep_moments(collections, page_lifetime_s)
    except PyMongoError as error:
        raise refusal(error) from error


async def _create_missing(collections: Collections) -> None:
    # A transaction that creates a collection conflicts with its neighbours; have them all before.
    existing = set(await collections.database.list_collection_names())
    for name in ("history", "locks", "bookmarks", "keys", "clients", "users"):
        if name not in existing:
            await collections.database[name].insert_one({"_id": "\x00made"})
            await collections.database[name].delete_one({"_id": "\x00made"})


async def _keep_moments(collections: Collections, seconds: int) -> None:
    """Have MongoDB keep what was true for as long as pages of it may be asked for."""
    try:
        await collections.client.admin.command(
            {"setParameter": 1, "minSnapshotHistoryWindowInSeconds": seconds}
        )
    except OperationFailure as error:  # the account may not: the server's own setting counts then
        _log.warning("snapshots.window_not_set", code=error.code, seconds=seconds)


def refusal(error: PyMongoError) -> FhirError:
    """Return what a driver error means; its text stays out, as it may name hosts or values."""
    if isinstance(error, DocumentTooLarge) or getattr(error, "code", None) in TOO_LARGE:
        return TooLarge(
            "A resource or message is longer than the 16 MB that the database takes in one piece."
        )
    return Unavailable(f"The database did not answer ({type(error).__name__}). Try again.")
