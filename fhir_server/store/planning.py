"""What one change does to the version that is current: pure decisions, before anything is written.

https://hl7.org/fhir/R4/http.html#versioning
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fhir_server import jsonio
from fhir_server.model import ANY_VERSION, Result, Version
from fhir_server.store import document as documents
from kernel.errors import Conflict, Forbidden, Gone, NotFound, PreconditionFailed

if TYPE_CHECKING:
    from fhir_server.store.document import Change, Written

Document = dict[str, Any]


def plan(
    change: Change, old: Document | None, now: int, origin: list[str]
) -> tuple[Result, Written | None]:
    """Decide what one change does.

    Raises:
        PreconditionFailed: another version is current than the change expects.
        Conflict: the id is in use, and the change needs a free one.
        Forbidden: the caller may not write what it sends.
        NotFound: what is to be edited is not there, or may not be seen.
        Gone: what is to be edited was deleted.
        FhirError: as the edit itself does.
    """
    if change.edit is not None:
        return _edit(change, old, now, origin)
    _expect(change, old)
    if change.body is None:
        return _deletion(change, old, now, origin)
    return _content(change, old, now, origin)


def _content(
    change: Change, old: Document | None, now: int, origin: list[str]
) -> tuple[Result, Written | None]:
    if change.indexed is not None and not change.access.admits(change.indexed.tokens):
        raise Forbidden(
            f"`{change.key}` is outside of what you may write.", change.where or change.type
        )
    if old is not None and "b" in old and documents.repeats(change, old):
        return Result(200, documents.version(old), changed=False), None
    new = documents.document(change, _next(old), _after(old, now), origin)
    if old is not None and "b" in old and _same(new, old):
        return Result(200, documents.version(old), changed=False), None
    created = old is None or "b" not in old
    if created and old is not None:
        new["n"] = True
    written = documents.Written(new, old, "create" if created else "update")
    return Result(201 if created else 200, documents.version(new)), written


def _edit(
    change: Change, old: Document | None, now: int, origin: list[str]
) -> tuple[Result, Written | None]:
    """Decide what becomes of the current version.

    What is not there is told before a version that is not met: https://www.rfc-editor.org/rfc/rfc9110#section-13.2.1
    """
    if old is None or change.edit is None:
        raise NotFound(f"Resource `{change.key}` was not found.", *_at(change))
    if "b" not in old:
        raise Gone(f"Resource `{change.key}` was deleted.", *_at(change))
    _expect(change, old)
    edited = change.edit(old["b"])
    if edited is None:
        return Result(200, documents.version(old), changed=False), None
    return _content(edited, old, now, origin)


def _same(new: Document, old: Document) -> bool:
    """Return whether only the order of members or the escapes in strings differ.

    Then such bodies have one length, but for the digits of the version, or another number of
    backslashes: most updates never come to the comparison itself.
    """
    one, other = new["b"], old["b"]
    grown = len(str(new["v"])) - len(str(old["v"]))
    if len(one) - grown != len(other) and one.count(b"\\") == other.count(b"\\"):
        return False
    return jsonio.canonical(one) == jsonio.canonical(other)


def _deletion(
    change: Change, old: Document | None, now: int, origin: list[str]
) -> tuple[Result, Written | None]:
    """Decide a deletion; what is not there, or may not be seen, is deleted already."""
    if old is None:
        nothing = Version(change.type, change.id, 0, now, None, "DELETE")
        return Result(204, nothing, changed=False), None
    if "b" not in old:
        return Result(204, documents.version(old), changed=False), None
    new = documents.document(change, _next(old), _after(old, now), origin, old["k"])
    return Result(204, documents.version(new)), documents.Written(new, old, "delete")


def _expect(change: Change, old: Document | None) -> None:
    current = 0 if old is None or "b" not in old else int(old["v"])
    if change.free and current:
        raise Conflict(
            f"Nothing matches the criteria, and `{change.key}` is in use for another resource."
            " Leave `id` out to have one created under an id of ours, or send criteria that match.",
            f"{change.where}.resource.id" if change.where else f"{change.type}.id",
        )
    if not change.expect or current in change.expect:
        return
    if current and ANY_VERSION in change.expect:
        return
    now = f"version `{current}` is" if current else "none is"
    wanted = " or ".join(f"`{version}`" for version in change.expect if version != ANY_VERSION)
    raise PreconditionFailed(
        f"`{change.key}` was expected at {f'version {wanted}' if wanted else 'any version'},"
        f" but {now} current. Read it again and repeat your change on that.",
        change.where or change.type,
    )


def _at(change: Change) -> tuple[str, ...]:
    return (change.where,) if change.where else ()


def _next(old: Document | None) -> int:
    return 1 if old is None else int(old["v"]) + 1


def _after(old: Document | None, now: int) -> int:
    return now if old is None else max(now, int(old["u"]) + 1)
