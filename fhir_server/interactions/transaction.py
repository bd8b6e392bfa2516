"""FHIR transaction: all entries in one MongoDB transaction, or none.

https://hl7.org/fhir/R4/http.html#transaction
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from fhir_server.interactions import references
from fhir_server.interactions.criteria import criterion, matched
from fhir_server.interactions.entries import METHODS, Entry
from fhir_server.interactions.fetch import fetch, written
from fhir_server.interactions.references import Targets
from fhir_server.store.document import Change
from fhir_server.store.unit import Unit
from kernel import ids
from kernel.errors import BadValue, FhirError, Invalid, Issue, MultipleMatches, PreconditionFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_server.engine import Engine
    from fhir_server.model import Access, Context, Message, Result
    from fhir_server.smart.scopes import Permission
    from fhir_server.store.matching import Criterion

PERMISSION: Final[dict[str, Permission]] = {"POST": "c", "PUT": "u", "DELETE": "d", "GET": "r"}
ALONE: Final = 16
"""A larger bundle does not share its database transaction with others."""
BREATHE: Final = 64
"""Entries prepared between two turns of the event loop."""


@dataclass(slots=True)
class _Plan:
    """What one attempt decided: the changes, and which result belongs to which entry."""

    changes: list[Change] = field(default_factory=list)
    of_entry: dict[int, int] = field(default_factory=dict)  # entry number → index of its change
    existing: dict[int, str] = field(default_factory=dict)  # entry number → reference it matched


async def transaction(
    engine: Engine, ctx: Context, entries: Sequence[Entry], message: Message | None = None
) -> dict[str, Any]:
    """Run the entries and return the transaction-response Bundle.

    Raises:
        FhirError: the first entry that cannot be carried out, named in `expression`; nothing is
            stored.
    """
    accesses = _authorise(engine, ctx, entries)
    criteria = _criteria(engine, ctx, entries)
    plan = _Plan()

    async def resolve(found: list[list[str]]) -> Sequence[Change]:
        nonlocal plan
        plan = await _resolve(engine, entries, accesses, criteria, found)
        return plan.changes

    alone = len(entries) > ALONE
    if criteria:
        wanted = list(criteria.values())
        unit = Unit(ctx, (), wanted, resolve, message, alone)
    else:
        changes = await resolve([])
        unit = Unit(ctx, changes, message=message, alone=alone)
    results = await engine.store.commit(unit)
    answers = [await _answer(engine, ctx, entry, plan, results) for entry in entries]
    return {"resourceType": "Bundle", "type": "transaction-response"} | (
        {"entry": answers} if answers else {}
    )


def _authorise(
    engine: Engine, ctx: Context, entries: Sequence[Entry]
) -> dict[tuple[str, str], Access]:
    """Return what the caller may reach, for each type and method that the entries name."""
    return {
        (type, method): engine.authorise(ctx, type, PERMISSION[method])
        for type, method in {(entry.type, entry.method): None for entry in entries}
    }


def _criteria(engine: Engine, ctx: Context, entries: Sequence[Entry]) -> dict[int | str, Criterion]:
    """Return what must be looked for: by entry number, and by text for conditional references."""
    criteria: dict[int | str, Criterion] = {}
    for entry in entries:
        query = entry.if_none_exist if entry.method == "POST" else entry.query
        if query and entry.raw:
            criteria[entry.number] = criterion(engine, ctx, entry.type, query)
    for text in references.conditional(entry.raw for entry in entries if entry.raw):
        type = text.partition("?")[0]
        criteria[text] = criterion(engine, ctx, type, text, lock=False)
    return criteria


async def _resolve(
    engine: Engine,
    entries: Sequence[Entry],
    accesses: dict[tuple[str, str], Access],
    criteria: dict[int | str, Criterion],
    found: list[list[str]],
) -> _Plan:
    plan = _Plan()
    matches = dict(zip(criteria, found, strict=True))
    targets = {text: _only(text, hits) for text, hits in matches.items() if isinstance(text, str)}
    identity: dict[int, str] = {}
    for entry in entries:
        reference = _identity(engine, entry, plan, criteria, matches)
        identity[entry.number] = reference
        if entry.full_url and reference:
            targets[entry.full_url] = reference
    _refuse_overlap(entries, identity, plan)
    rewriter = Targets(targets)
    ordered = sorted(entries, key=lambda entry: METHODS.index(entry.method))
    for count, entry in enumerate(ordered, 1):
        if entry.method == "GET" or entry.number in plan.existing:
            continue
        access = accesses[entry.type, entry.method]
        change = _change(engine, access, entry, identity[entry.number], rewriter)
        plan.of_entry[entry.number] = len(plan.changes)
        plan.changes.append(change)
        if count % BREATHE == 0:
            await asyncio.sleep(0)
    return plan


def _only(text: str, found: list[str]) -> str:
    if len(found) == 1:
        return found[0]
    if found:
        raise MultipleMatches(f"More than one resource matches the reference `{text[:200]}`.")
    raise PreconditionFailed(f"No resource matches the reference `{text[:200]}`.", code="not-found")


def _identity(
    engine: Engine,
    entry: Entry,
    plan: _Plan,
    criteria: dict[int | str, Criterion],
    matches: dict[int | str, list[str]],
) -> str:
    """Return the reference that an entry is about; "" for a search."""
    if entry.id:
        return f"{entry.type}/{entry.id}"
    if entry.method == "GET":
        return ""
    if entry.number in criteria:
        given = engine.body(entry.type, entry.raw).id if entry.method == "PUT" else ""
        id = matched(criteria[entry.number], matches[entry.number], given)
        if id is not None and entry.method == "POST":
            plan.existing[entry.number] = f"{entry.type}/{id}"
        if id is not None or given:
            return f"{entry.type}/{id or given}"
    return f"{entry.type}/{ids.new()}"


def _refuse_overlap(entries: Sequence[Entry], identity: dict[int, str], plan: _Plan) -> None:
    seen: dict[str, Entry] = {}
    for entry in entries:
        reference = identity[entry.number]
        if entry.method == "GET" or entry.number in plan.existing:
            continue
        if reference in seen:
            other = seen[reference].where
            raise Invalid(
                f"`{other}` and `{entry.where}` both write `{reference}`."
                " A transaction may write a resource once.",
                other,
                entry.where,
            )
        seen[reference] = entry


def _change(
    engine: Engine, access: Access, entry: Entry, reference: str, targets: Targets
) -> Change:
    id = reference.partition("/")[2]
    if entry.method == "DELETE":
        return Change(access, entry.type, id, "DELETE", None, expect=entry.if_match)
    try:
        body = engine.body(entry.type, targets.rewrite(entry.raw))
    except FhirError as error:
        raise _inside(error, entry) from None
    if entry.method == "POST":
        return engine.change(access, body, id, "POST")
    if entry.id and body.id != entry.id:
        raise BadValue(
            f"`id` is `{body.id[:80]}`, but the entry's URL says `{entry.id}`.",
            f"{entry.where}.resource.id",
        )
    return engine.change(access, body, id, "PUT", entry.if_match)


def _inside(error: FhirError, entry: Entry) -> FhirError:
    """Return the error with its paths as seen from the Bundle."""
    issues = [
        Issue(
            issue.code,
            issue.diagnostics,
            tuple(_path(entry, path) for path in issue.expression) or (f"{entry.where}.resource",),
        )
        for issue in error.issues
    ]
    return type(error)(str(error), issues=issues)


def _path(entry: Entry, path: str) -> str:
    _, dot, rest = path.partition(".")
    return f"{entry.where}.resource{dot}{rest}"


async def _answer(
    engine: Engine, ctx: Context, entry: Entry, plan: _Plan, results: Sequence[Result]
) -> dict[str, Any]:
    if entry.method == "GET":
        return await fetch(engine, ctx, entry)
    if entry.number in plan.existing:
        return {"response": {"status": "200 OK", "location": plan.existing[entry.number]}}
    return written(results[plan.of_entry[entry.number]])
