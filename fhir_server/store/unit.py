"""One unit of work, and a transaction that runs several of them.

https://hl7.org/fhir/R4/http.html#transactional-integrity
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from pymongo import ReplaceOne
from pymongo.errors import BulkWriteError, DuplicateKeyError, PyMongoError
from pymongo.read_concern import ReadConcern

from fhir_server.store import document as documents
from fhir_server.store import matching
from fhir_server.store.access import both, visible_or_deleted
from fhir_server.store.messages import message_document
from fhir_server.store.mongo import DURABLE
from fhir_server.store.patience import heard
from fhir_server.store.planning import plan

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from pymongo.asynchronous.client_session import AsyncClientSession

    from fhir_server.model import Access, Context, Message, Result
    from fhir_server.store.document import Change, Written
    from fhir_server.store.matching import Criterion
    from fhir_server.store.mongo import Collections
    from kernel.clock import Clock

Document = dict[str, Any]
SNAPSHOT: Final = ReadConcern("snapshot")
DUPLICATE_KEY: Final = 11000


class Duplicate(Exception):
    """An id that was not visible when looked for is there when inserted.

    Either another transaction made it meanwhile, or the caller's filter hides it.
    """


@dataclass(slots=True, eq=False)
class Unit:
    """Changes that are stored together or not at all.

    Conditional interactions must look before they write: `resolve` is then called inside the
    transaction with the references that match each of `criteria`, and returns the changes. It may
    be called again. A large unit runs `alone`.
    `message` gets the references of the versions made once they are known.
    """

    ctx: Context
    changes: Sequence[Change] = ()
    criteria: Sequence[Criterion] = ()
    resolve: Callable[[list[list[str]]], Awaitable[Sequence[Change]]] | None = None
    message: Message | None = None
    alone: bool = False
    keys: frozenset[str] = frozenset()
    future: asyncio.Future[list[Result]] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def __post_init__(self) -> None:
        self.future.add_done_callback(heard)
        locks = (f"?{criterion.text}" for criterion in self.criteria if criterion.lock)
        self.keys = frozenset([*(change.key for change in self.changes), *locks])

    @property
    def size(self) -> int:
        return max(len(self.keys), 1)

    def fail(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)


async def run(collections: Collections, group: Sequence[Unit], clock: Clock) -> None:
    """Run the units in one transaction and settle the future of each that is decided.

    Raises:
        PyMongoError: nothing is stored, or that cannot be known; transient errors carry the label
            `TransientTransactionError` and no future is settled.
    """
    async with collections.client.start_session() as session:
        await session.start_transaction(read_concern=SNAPSHOT, write_concern=DURABLE)
        try:
            decided = await _write(collections, group, clock, session)
            await _commit(session)
        except BaseException:
            if session.in_transaction:
                await session.abort_transaction()
            raise
    for unit, results in decided:
        if not unit.future.done():
            unit.future.set_result(results)


async def _commit(session: AsyncClientSession) -> None:
    for _ in range(5):
        try:
            await session.commit_transaction()
        except PyMongoError as error:
            if not error.has_error_label("UnknownTransactionCommitResult"):
                raise
        else:
            return
    await session.commit_transaction()


async def _write(
    collections: Collections, group: Sequence[Unit], clock: Clock, session: AsyncClientSession
) -> list[tuple[Unit, list[Result]]]:
    decided: list[tuple[Unit, list[Result]]] = []
    writes: list[Written] = []
    messages: list[Document] = []
    events: list[list[Any]] = []
    now = clock()
    for unit, changes in await _resolved(collections, group, session):
        current = await _current(collections, changes, session)
        origin = documents.origin(unit.ctx)
        try:
            planned = [plan(change, current.get(change.key), now, origin) for change in changes]
        except Exception as error:  # what an edit breaks on is its own unit's
            if len(group) == 1:
                raise
            unit.fail(error)
            continue
        results = [result for result, _ in planned]
        made = [written for _, written in planned if written is not None]
        writes += made
        events += [
            [
                w.document["_id"],
                w.document["v"],
                w.action,
                unit.ctx.origin.protocol,
                w.document["u"],
            ]
            for w in made
        ]
        if unit.message is not None:
            messages.append(message_document(unit.message, results))
        decided.append((unit, results))
    await _store(collections, writes, messages, events, now, session)
    return decided


async def _resolved(
    collections: Collections, group: Sequence[Unit], session: AsyncClientSession
) -> list[tuple[Unit, Sequence[Change]]]:
    """Return what each unit changes; one whose criteria do not hold is told so and left out."""
    criteria = [criterion for unit in group for criterion in unit.criteria]
    if criteria:
        await matching.lock(collections, criteria, session)
    found = iter(await matching.matches(collections, criteria, session) if criteria else ())
    resolved: list[tuple[Unit, Sequence[Change]]] = []
    for unit in group:
        own = [next(found) for _ in unit.criteria]
        try:
            changes = unit.changes if unit.resolve is None else await unit.resolve(own)
        except Exception as error:  # the others of the group have their own fate
            if len(group) == 1:
                raise
            unit.fail(error)
        else:
            resolved.append((unit, changes))
    return resolved


async def _current(
    collections: Collections, changes: Sequence[Change], session: AsyncClientSession
) -> dict[str, Document]:
    """Return the current documents, each looked for with its own change's filter."""
    keys: dict[Access, list[str]] = {}
    for change in changes:
        if not change.fresh:
            keys.setdefault(change.access, []).append(change.key)
    if not keys:
        return {}
    conditions = [both({"_id": {"$in": ids}}, visible_or_deleted(a)) for a, ids in keys.items()]
    condition = conditions[0] if len(conditions) == 1 else {"$or": conditions}
    found = collections.resources.find(condition, session=session)
    return {stored["_id"]: stored for stored in await found.to_list()}


async def _store(
    collections: Collections,
    writes: Sequence[Written],
    messages: Sequence[Document],
    events: list[list[Any]],
    now: int,
    session: AsyncClientSession,
) -> None:
    old = [
        documents.superseded(w.superseded, w.document["u"])
        for w in writes
        if w.superseded is not None
    ]
    if old:
        await collections.history.insert_many(old, ordered=False, session=session)
    await _store_resources(collections, writes, session)
    if messages:
        await collections.messages.bulk_write(
            [ReplaceOne({"_id": kept["_id"]}, kept, upsert=True) for kept in messages],
            session=session,
        )
    if events:
        await collections.events.insert_one(
            {"at": datetime.fromtimestamp(now / 1000, UTC), "c": events}, session=session
        )


async def _store_resources(
    collections: Collections, writes: Sequence[Written], session: AsyncClientSession
) -> None:
    fresh = [w.document for w in writes if w.superseded is None]
    changed = [w for w in writes if w.superseded is not None]
    try:
        if fresh:
            await collections.resources.insert_many(fresh, session=session)
        if changed:
            await collections.resources.bulk_write(
                [ReplaceOne({"_id": w.document["_id"]}, w.document) for w in changed],
                session=session,
            )
    except (BulkWriteError, DuplicateKeyError) as error:
        if _duplicate(error):
            raise Duplicate from error
        raise


def _duplicate(error: BulkWriteError | DuplicateKeyError) -> bool:
    details = error.details or {}
    faults = details.get("writeErrors") or [details]
    return any(fault.get("code") == DUPLICATE_KEY for fault in faults)
