"""What the entries of a transaction come to, once it is known what their criteria match.

https://hl7.org/fhir/R4/http.html#trules
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import msgspec

from fhir_server.interactions import patch as patches
from fhir_server.interactions.criteria import matched, several, shown
from fhir_server.interactions.delete import deletions
from fhir_server.interactions.entries import METHODS, Entry
from fhir_server.interactions.outlook import Outlook
from fhir_server.interactions.references import Full, Targets, conditional
from fhir_server.interactions.update import replacement
from fhir_server.store.document import Change
from kernel import ids
from kernel.errors import (
    BadValue,
    FhirError,
    Invalid,
    Issue,
    NotFound,
    PreconditionFailed,
    TooLarge,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from fhir_server.engine import Engine
    from fhir_server.model import Access
    from fhir_server.store.matching import Criterion

BREATHE: Final = 64
"""Entries prepared between two turns of the event loop."""


class _Named(msgspec.Struct):
    id: str = ""


_NAMED: Final = msgspec.json.Decoder(_Named)


@dataclass(slots=True)
class Resolution:
    """What one attempt decided: the changes, and which of them belong to which entry.

    `existing` are the conditional creates that create nothing, with what is there instead.
    """

    changes: list[Change] = field(default_factory=list)
    of_entry: dict[int, range] = field(default_factory=dict)
    existing: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is fixed before the look: who may do what, and what is looked for.

    The keys of `criteria` are entry numbers, and the texts of conditional references.
    """

    engine: Engine
    entries: Sequence[Entry]
    accesses: dict[tuple[str, str], Access]
    criteria: dict[int | str, Criterion]


async def resolve(wanted: Wanted, found: list[list[str]]) -> Resolution:
    """Return the changes in the order in which a transaction carries them out.

    Raises:
        Invalid: two entries write one resource, or an entry is not valid.
        PreconditionFailed: criteria that must match one resource match none or several.
        FhirError: an entry cannot be carried out.
    """
    done = Resolution()
    matches = dict(zip(wanted.criteria, found, strict=True))
    identities = _identities(wanted, matches, done)
    _refuse_overlap(wanted.entries, identities, done)
    full_urls = _full_urls(wanted.entries, identities)
    made = _made(wanted.entries, identities, done)
    references = {
        text: _only(wanted.entries, text, hits)
        async for text, hits in _afterwards(
            wanted, matches, identities, Targets(full_urls, made), done
        )
    }
    targets = Targets(references | full_urls, made)
    ordered = sorted(wanted.entries, key=lambda entry: METHODS.index(entry.method))
    for count, entry in enumerate(ordered, 1):
        if entry.number not in done.existing:
            start = len(done.changes)
            done.changes += await _changes(wanted, entry, identities, matches, targets)
            done.of_entry[entry.number] = range(start, len(done.changes))
        if count % BREATHE == 0:
            await asyncio.sleep(0)
    _refuse_too_many(wanted, done)
    return done


def located(error: FhirError, entry: Entry, part: str = "resource") -> FhirError:
    """Return the error with its paths as seen from the Bundle."""
    issues = [
        Issue(
            issue.code,
            issue.diagnostics,
            tuple(_path(entry, path) for path in issue.expression) or (f"{entry.where}.{part}",),
            pointer=_pointer(entry, issue.pointer),
        )
        for issue in error.issues
    ]
    return type(error)(str(error), issues=issues)


def _pointer(entry: Entry, pointer: str) -> str:
    """Return where a fault is in the Bundle; what a patch makes is nowhere in it."""
    if not pointer or entry.method == "PATCH":
        return ""
    return f"/entry/{entry.number}/resource{pointer}"


def _path(entry: Entry, path: str) -> str:
    if path.startswith("Bundle.entry["):
        return path
    _, dot, rest = path.partition(".")
    return f"{entry.where}.resource{dot}{rest}"


def referring(error: FhirError, entries: Sequence[Entry], text: str) -> FhirError:
    """Return the error with the first entry that has the conditional reference."""
    return next(located(error, entry) for entry in entries if text in conditional([entry.raw]))


def _only(entries: Sequence[Entry], text: str, found: list[str]) -> str:
    if len(found) == 1:
        return found[0]
    if found:
        raise referring(several(found, f"the reference `{text[:200]}`"), entries, text)
    said = f"No resource matches the reference `{text[:200]}`."
    raise referring(PreconditionFailed(said, code="not-found"), entries, text)


def _identities(
    wanted: Wanted, matches: dict[int | str, list[str]], done: Resolution
) -> dict[int, list[str]]:
    """Return which resources each entry is about."""
    created: dict[str, tuple[str, str]] = {}
    identities: dict[int, list[str]] = {}
    for entry in wanted.entries:
        try:
            identities[entry.number] = _identity(wanted, entry, matches, done, created)
        except FhirError as error:
            raise located(error, entry, "request") from None
    return identities


def _identity(
    wanted: Wanted,
    entry: Entry,
    matches: dict[int | str, list[str]],
    done: Resolution,
    created: dict[str, tuple[str, str]],
) -> list[str]:
    if entry.id:
        return [f"{entry.type}/{entry.id}"]
    criterion = wanted.criteria.get(entry.number)
    if criterion is None:
        return [f"{entry.type}/{ids.new()}"]
    found = matches[entry.number]
    if entry.method == "DELETE":
        return found
    given = _given(entry) if entry.method == "PUT" else ""
    id = matched(criterion, found, given)
    if id is None and entry.method == "PATCH":
        raise NotFound(f"No resource matches `{shown(criterion)}`.")
    if id is None:
        # What one entry makes on a condition is what the next one on the same condition finds.
        new = f"{entry.type}/{given or ids.new()}"
        there, method = created.setdefault(criterion.text, (new, entry.method))
        if there == new or entry.method != "POST" or method != "POST":
            return [there]
    else:
        there = f"{entry.type}/{id}"
    if entry.method == "POST":
        done.existing[entry.number] = there
    return [there]


def _made(
    entries: Sequence[Entry], identities: dict[int, list[str]], done: Resolution
) -> frozenset[str]:
    """Return what is created under an id of ours, so that its version is 1."""
    return frozenset(
        identities[entry.number][0]
        for entry in entries
        if entry.method == "POST" and entry.number not in done.existing
    )


async def _afterwards(
    wanted: Wanted,
    matches: dict[int | str, list[str]],
    identities: dict[int, list[str]],
    targets: Targets,
    done: Resolution,
) -> AsyncIterator[tuple[str, list[str]]]:
    """Yield what each conditional reference matches once the entries are carried out.

    https://hl7.org/fhir/R4/http.html#trules resolves them last.
    """
    outlook = Outlook(wanted.engine, targets)
    for entry in wanted.entries:
        if entry.number not in done.existing:
            outlook.add(entry, identities[entry.number])
    for text, found in matches.items():
        if isinstance(text, str):
            type = text.partition("?")[0]
            yield text, await outlook.matches(wanted.criteria[text], type, found)


def _given(entry: Entry) -> str:
    """Return the id in a body; what is wrong with it is told when the whole is checked."""
    try:
        return _NAMED.decode(entry.raw).id
    except msgspec.DecodeError:
        return ""


def _refuse_overlap(
    entries: Sequence[Entry], identities: dict[int, list[str]], done: Resolution
) -> None:
    written: dict[str, Entry] = {}
    for entry in entries:
        for reference in () if entry.number in done.existing else identities[entry.number]:
            if reference in written:
                raise _overlap(written[reference], entry, f"both write `{reference}`")
            written[reference] = entry
    for entry in entries:
        other = written.get(done.existing.get(entry.number, ""))
        if other is not None and other.method == "DELETE":
            said = f"contradict each other: one deletes `{done.existing[entry.number]}`"
            raise _overlap(other, entry, f"{said}, the other is content with it")


def _overlap(one: Entry, other: Entry, what: str) -> Invalid:
    first, second = sorted((one, other), key=lambda entry: entry.number)
    return Invalid(
        f"`{first.where}` and `{second.where}` {what}. A transaction may write a resource once.",
        first.where,
        second.where,
    )


def _full_urls(entries: Sequence[Entry], identities: dict[int, list[str]]) -> dict[str, str]:
    """Return what the `fullUrl`s of written resources stand for."""
    targets: dict[str, str] = {}
    named: dict[str, Entry] = {}
    for entry in entries:
        if not entry.full_url or entry.method == "DELETE":
            continue
        key, reference = Full.of(entry.full_url).key, identities[entry.number][0]
        if targets.setdefault(key, reference) != reference:
            other = named[key].where
            raise Invalid(
                f"`{other}` and `{entry.where}` have one `fullUrl` and are different resources.",
                f"{other}.fullUrl",
                f"{entry.where}.fullUrl",
            )
        named.setdefault(key, entry)
    return targets


async def _changes(
    wanted: Wanted,
    entry: Entry,
    identities: dict[int, list[str]],
    matches: dict[int | str, list[str]],
    targets: Targets,
) -> list[Change]:
    access = wanted.accesses[entry.type, entry.method]
    criterion = wanted.criteria.get(entry.number)
    try:
        if entry.method == "DELETE" and criterion is not None:
            found = matches[entry.number]
            return await deletions(wanted.engine, access, criterion, found, entry.if_match)
        id = identities[entry.number][0].partition("/")[2]
        change = _change(wanted, access, entry, id, bool(matches.get(entry.number)), targets)
        return [change if change.where else replace(change, where=entry.where)]
    except FhirError as error:
        raise located(error, entry) from None


def _change(
    wanted: Wanted, access: Access, entry: Entry, id: str, matches: bool, targets: Targets
) -> Change:
    engine = wanted.engine
    if entry.method == "DELETE":
        return Change(access, entry.type, id, "DELETE", None, expect=entry.if_match)
    if entry.method == "PATCH":
        return _patch(engine, access, entry, id, targets)
    body = engine.body(entry.type, targets.rewrite(entry.raw, entry.full_url), sent=False)
    if entry.method == "POST":
        return engine.change(access, body, id, "POST", where=entry.where)
    if not entry.id:
        criterion = wanted.criteria[entry.number]
        return replacement(
            engine, access, criterion, body, id if matches else None, id, entry.if_match
        )
    if body.id != entry.id:
        raise BadValue(
            f"`id` is `{body.id[:80]}`, but the entry's URL says `{entry.id}`.", f"{entry.type}.id"
        )
    return engine.change(access, body, id, "PUT", entry.if_match, entry.where)


def _patch(engine: Engine, access: Access, entry: Entry, id: str, targets: Targets) -> Change:
    apply = patches.read(*patches.of_resource(entry.raw))

    def finish(body: bytes) -> bytes:
        return targets.rewrite(body, entry.full_url)

    change = patches.edit(engine, access, entry.type, id, apply, entry.if_match, finish)
    edit = change.edit

    def edited(current: bytes) -> Change | None:
        try:
            return edit(current) if edit is not None else None
        except FhirError as error:
            raise located(error, entry) from None

    return replace(change, edit=edited)


def _refuse_too_many(wanted: Wanted, done: Resolution) -> None:
    """Bound what conditional deletes of one Bundle come to together."""
    settings = wanted.engine.settings
    limit = settings.max_bundle_entries + settings.max_conditional_delete
    if len(done.changes) > limit:
        raise TooLarge(
            f"The Bundle changes {len(done.changes)} resources; {limit} are possible at once."
            " Send its conditional deletes apart.",
            code="too-costly",
        )
