"""`If-Match` and `If-None-Match` of a write.

https://hl7.org/fhir/R4/http.html#concurrency
https://www.rfc-editor.org/rfc/rfc9110#section-13.1
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fhir_server.interactions.etag import versions_of
from kernel.errors import BadValue

if TYPE_CHECKING:
    from fhir_server.http.request import Request


def if_match(request: Request) -> tuple[int, ...] | None:
    """Return the versions of which one must be current; None if any will do, or none at all.

    Raises:
        BadValue: the header holds something else than entity tags of ours.
    """
    given = request.header(b"if-match").strip()
    return versions_of(given) if given else None


def of_update(request: Request) -> tuple[int, ...] | None:
    """Return the same for a PUT, where `If-None-Match: *` means that there must be none yet.

    Raises:
        BadValue: see `if_match`; or `If-None-Match` has another value.
    """
    tag = request.header(b"if-none-match").strip()
    if not tag:
        return if_match(request)
    if tag != "*":
        raise BadValue("`If-None-Match` of an update is `*` or not there.")
    if request.header(b"if-match"):
        raise BadValue("`If-Match` and `If-None-Match` of one update contradict each other.")
    return (0,)
