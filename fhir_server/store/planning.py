"""What one change does to the version that is current: pure decisions, before anything is written.

https://hl7.org/fhir/R4/http.html#versioning
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fhir_server.model import Result, Version
from fhir_server.store import document as documents
from kernel.errors import Forbidden, PreconditionFailed

if TYPE_CHECKING:
    from fhir_server.store.document import Change, Written

Document = dict[str, Any]


def plan(
    change: Change, old: Document | None, now: int, origin: list[str]
) -> tuple[Result, Written | None]:
    """Decide what one change does.

    Raises:
        PreconditionFailed: another version is current than the change expects.
        Forbidden: the caller may not write what it sends.
    """
    _expect(change, old)
    if change.body is None:
        return _deletion(change, old, now, origin)
    if change.indexed is not None and not change.access.admits(change.indexed.tokens):
        raise Forbidden(f"`{change.key}` is outside of what you may write.", change.type)
    if old is not None and old.get("h") == change.hash:
        return Result(200, documents.version(old), changed=False), None
    new = documents.document(change, _next(old), _after(old, now), origin)
    created = old is None or "b" not in old
    written = documents.Written(new, old, "create" if created else "update")
    return Result(201 if created else 200, documents.version(new)), written


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
    if change.expect is None:
        return
    current = 0 if old is None or "b" not in old else old["v"]
    if change.expect != current:
        now = f"version `{current}` is" if current else "none is"
        raise PreconditionFailed(
            f"`{change.key}` was expected at version `{change.expect}`, but {now} current."
            " Read it again and repeat your change on that.",
            change.type,
        )


def _next(old: Document | None) -> int:
    return 1 if old is None else int(old["v"]) + 1


def _after(old: Document | None, now: int) -> int:
    return now if old is None else max(now, int(old["u"]) + 1)
