"""FHIR transaction: all entries in one MongoDB transaction, or none.

https://hl7.org/fhir/R4/http.html#transaction
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from fhir_server.interactions import references
from fhir_server.interactions.answer import deleted, written
from fhir_server.interactions.criteria import criterion
from fhir_server.interactions.delete import deletion
from fhir_server.interactions.fetch import fetch
from fhir_server.interactions.resolution import Resolution, Wanted, located, referring, resolve
from fhir_server.model import Deleted, Result
from fhir_server.store.unit import Unit
from kernel.errors import FhirError, Gone, NotFound, outcome

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from fhir_server.engine import Engine
    from fhir_server.interactions.entries import Entry
    from fhir_server.interactions.fetch import Aside
    from fhir_server.model import Access, Context, Message
    from fhir_server.smart.scopes import Permission
    from fhir_server.store.document import Change
    from fhir_server.store.matching import Criterion

PERMISSION: Final[dict[str, Permission]] = {"POST": "c", "PUT": "u", "PATCH": "u", "DELETE": "d"}
ALONE: Final = 16
"""A larger bundle does not share its database transaction with others."""
AT_ONCE: Final = 64
"""Entries that are read side by side."""

Answer = dict[str, Any]


async def transaction(
    engine: Engine,
    ctx: Context,
    entries: Sequence[Entry],
    aside: Aside,
    message: Message | None = None,
) -> Answer:
    """Run the entries and return the transaction-response Bundle.

    Reads are carried out last, and see what was written. As they cannot undo it any more, what
    makes a read fail is looked for before anything is written.

    Raises:
        FhirError: the first entry that cannot be carried out, named in `expression`; nothing is
            stored.
    """
    writes = [entry for entry in entries if entry.writes]
    reads = [entry for entry in entries if not entry.writes]
    wanted = Wanted(
        engine, writes, _authorise(engine, ctx, writes), await _criteria(engine, ctx, writes)
    )
    answers = await _tried(engine, ctx, reads, writes, aside)
    if writes or message is not None:
        done, results = await _commit(ctx, wanted, message)
        answers = await _read(engine, ctx, reads, aside)
        answers |= await _written(ctx, wanted, done, results)
    ordered = [answers[entry.number] for entry in entries]
    return {"resourceType": "Bundle", "type": "transaction-response"} | (
        {"entry": ordered} if ordered else {}
    )


async def _commit(
    ctx: Context, wanted: Wanted, message: Message | None
) -> tuple[Resolution, Sequence[Result]]:
    done = Resolution()

    async def decide(found: list[list[str]]) -> Sequence[Change]:
        nonlocal done
        done = await resolve(wanted, found)
        return done.changes

    alone = len(wanted.entries) > ALONE
    if wanted.criteria:
        unit = Unit(ctx, (), list(wanted.criteria.values()), decide, message, alone)
    else:
        unit = Unit(ctx, await decide([]), message=message, alone=alone)
    results = await wanted.engine.store.commit(unit)
    return done, results


def _authorise(
    engine: Engine, ctx: Context, entries: Sequence[Entry]
) -> dict[tuple[str, str], Access]:
    """Return what the caller may reach, for each type and method that the entries name."""
    return {
        (type, method): engine.authorise(ctx, type, PERMISSION[method])
        for type, method in {(entry.type, entry.method): None for entry in entries}
    }


async def _criteria(
    engine: Engine, ctx: Context, entries: Sequence[Entry]
) -> dict[int | str, Criterion]:
    """Return what must be looked for: by entry number, and by text for conditional references."""
    criteria: dict[int | str, Criterion] = {}
    for entry in entries:
        query = entry.if_none_exist if entry.method == "POST" else entry.query
        if entry.id or query is None:
            continue
        look = deletion if entry.method == "DELETE" else criterion
        try:
            criteria[entry.number] = await look(engine, ctx, entry.type, query)
        except FhirError as error:
            raise located(error, entry, "request") from None
    for text in references.conditional(entry.raw for entry in entries):
        type = text.partition("?")[0]
        try:
            criteria[text] = await criterion(engine, ctx, type, text, lock=False)
        except FhirError as error:
            raise referring(error, entries, text) from None
    return criteria


async def _tried(
    engine: Engine, ctx: Context, reads: Sequence[Entry], writes: Iterable[Entry], aside: Aside
) -> dict[int, Answer]:
    """Return the answers to the reads as of now; what this Bundle makes need not be there yet.

    Raises:
        FhirError: one cannot be carried out, or asks for what the same Bundle deletes.
    """
    to_be = {(entry.type, entry.id): entry.method for entry in writes if entry.id}

    async def one(entry: Entry) -> Answer:
        fate = to_be.get((entry.type, entry.id), "")
        if fate == "DELETE" and not entry.tail:
            gone = f"`{entry.type}/{entry.id}` is deleted by this very Bundle."
            raise Gone(gone, entry.where)
        try:
            return await fetch(engine, ctx, entry, aside)
        except (NotFound, Gone) as error:
            if fate:
                return {}
            raise located(error, entry, "request") from None
        except FhirError as error:
            raise located(error, entry, "request") from None

    return await _each(reads, one)


async def _read(
    engine: Engine, ctx: Context, reads: Sequence[Entry], aside: Aside
) -> dict[int, Answer]:
    """Return the answers to the reads after the writes, failures among them."""

    async def one(entry: Entry) -> Answer:
        try:
            return await fetch(engine, ctx, entry, aside)
        except FhirError as error:
            return {"response": {"status": str(error.status), "outcome": outcome(error)}}

    return await _each(reads, one)


async def _written(
    ctx: Context, wanted: Wanted, done: Resolution, results: Sequence[Result]
) -> dict[int, Answer]:
    """Return the answers to the writes."""
    made = {result.version.reference: result.version for result in results}

    async def existing(entry: Entry) -> Answer:
        there = done.existing[entry.number]
        type, _, id = there.partition("/")
        access = wanted.criteria[entry.number].access
        version = made.get(there) or await wanted.engine.store.current(type, id, access)
        if version is None or version.body is None:  # deleted within the last milliseconds
            return {"response": {"status": "200 OK", "location": there}}
        return written(ctx, Result(200, version, changed=False))

    answers = await _each([e for e in wanted.entries if e.number in done.existing], existing)
    for entry in wanted.entries:
        if entry.number in answers:
            continue
        own = [results[index] for index in done.of_entry[entry.number]]
        if entry.method == "DELETE" and not entry.id:
            gone = tuple(result.version.reference for result in own if result.changed)
            answers[entry.number] = deleted(ctx, Deleted(len(gone), gone))
        else:
            answers[entry.number] = written(ctx, own[0])
    return answers


async def _each(
    entries: Sequence[Entry], one: Callable[[Entry], Awaitable[Answer]]
) -> dict[int, Answer]:
    answers: dict[int, Answer] = {}
    for start in range(0, len(entries), AT_ONCE):
        some = entries[start : start + AT_ONCE]
        made = await asyncio.gather(*(one(entry) for entry in some))
        answers |= {entry.number: answer for entry, answer in zip(some, made, strict=True)}
    return answers
