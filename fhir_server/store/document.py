"""From an intended change to the stored document, and back to a Version.

docs/adr/0001-bytes-at-rest.md: the exact JSON is kept once, as bytes, next to its index fields.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from fhir_server.jsonio import stamp
from fhir_server.model import Version

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fhir_server.model import Access, Context
    from fhir_server.search.extract import Indexed
    from kernel.events import Action

Document = dict[str, Any]
INDEX_GENERATION = 3
"""Raise it when the extraction changes: documents of an older generation are indexed again."""
SEARCH_FIELDS = ("s", "q", "p", "x", "e", "g")
"""Those of them that a document need not have."""


@dataclass(frozen=True, slots=True)
class Change:
    """One intended write; `body` is the caller's JSON, None to delete.

    `access` is what the caller may reach with this interaction on this type.
    `expect` are versions of which one must be current: 0 is none, `ANY_VERSION` whichever; an empty
    `expect` demands nothing. `fresh` promises that the id was made by us a moment ago, so that no
    read is needed before the insert. `free` demands that the id is not in use.
    `where` is what a refusal names, such as an entry of a Bundle; the type if it is empty.
    With `edit` the new content is made of the current one: it is given its JSON and returns the
    change that it comes to, or None if that changes nothing.
    """

    access: Access
    type: str
    id: str
    method: Literal["POST", "PUT", "DELETE"]
    body: bytes | None
    indexed: Indexed | None = None
    expect: tuple[int, ...] = ()
    fresh: bool = False
    free: bool = False
    where: str = ""
    edit: Callable[[bytes], Change | None] | None = None
    generation: int = INDEX_GENERATION

    @property
    def key(self) -> str:
        return f"{self.type}/{self.id}"


@dataclass(slots=True)
class Written:
    """What a planned change comes to: the new document, and the old one if it is superseded."""

    document: Document
    superseded: Document | None
    action: Action
    created: bool = field(default=False)


def document(
    change: Change, version: int, now: int, origin: list[str], deleted: Sequence[int] = ()
) -> Document:
    """Return the document of the new version; `deleted` are the tokens of what is deleted."""
    made: Document = {"_id": change.key, "v": version, "u": now, "m": change.method, "o": origin}
    if change.body is None or change.indexed is None:
        return made | {"kx": list(deleted)}
    made["b"] = stamp(change.body, change.type, change.id, version, now)
    return made | index_fields(change.indexed, now, change.generation)


def repeats(change: Change, old: Document) -> bool:
    """Return whether the caller sent what is stored already, byte for byte."""
    if change.body is None:
        return False
    again = stamp(change.body, change.type, change.id, int(old["v"]), int(old["u"]))
    return again == bytes(old["b"])


def origin(ctx: Context) -> list[str]:
    """Return who made a version: protocol, principal, peer and the message that it came with."""
    return [ctx.origin.protocol, ctx.principal.name, ctx.origin.peer, ctx.origin.message]


def index_fields(indexed: Indexed, updated: int, generation: int = INDEX_GENERATION) -> Document:
    """Return the search fields; `d` falls back to the last update."""
    fields: Document = {
        "i": generation,
        "k": list(indexed.tokens),
        "d": updated if indexed.date is None else indexed.date,
    }
    if indexed.strings:
        fields["s"] = list(indexed.strings)
    if indexed.ranges:
        fields["q"] = [{"p": path, "l": low, "h": high} for path, low, high in indexed.ranges]
    if indexed.quantities:
        fields.setdefault("q", []).extend(
            {"p": key, "l": low, "h": high, "u": list(units)}
            if units
            else {"p": key, "l": low, "h": high}
            for key, low, high, units in indexed.quantities
        )
    if indexed.texts:
        fields["x"] = list(indexed.texts)
    if indexed.present:
        fields["e"] = list(indexed.present)
    if indexed.point is not None:
        fields["g"] = list(indexed.point)
    if indexed.patient is not None:
        fields["p"] = indexed.patient
    return fields


def superseded(old: Document, when: int) -> Document:
    """Return the history document of a version that is current no more since `when`."""
    kept = {name: old[name] for name in ("v", "u", "m", "n", "o", "b", "k", "kx") if name in old}
    return {"_id": history_key(old["_id"], old["v"]), "r": old["_id"], "z": when} | kept


def history_key(reference: str, version: int) -> str:
    """Return `Type/id/0000000007`: versions of one resource lie together, in order."""
    return f"{reference}/{version:010d}"


def version(stored: Document) -> Version:
    """Return the version that a document of `resources` or `history` holds."""
    type, id, *_ = stored["_id"].split("/")
    # BSON has an Int64 of its own; what leaves the store is plain.
    return Version(
        type, id, int(stored["v"]), int(stored["u"]), stored.get("b"), stored["m"], "n" in stored
    )
