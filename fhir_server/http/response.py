"""Answers of the FHIR API: status, headers and bytes.

https://hl7.org/fhir/R4/http.html#return
"""

from __future__ import annotations

from dataclasses import dataclass, field
from email.utils import formatdate, parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import msgspec

from fhir_server import jsonio
from fhir_server.interactions.etag import etag
from fhir_server.interactions.patch import FHIR, JSON_PATCH, MERGE_PATCH
from kernel.clock import now
from kernel.errors import FhirError, outcome

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from fhir_server.http.request import Request
    from fhir_server.model import Context, Deleted, Page, Result, Version

ALWAYS: Final = [
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"private, no-cache"),
    (b"vary", b"Accept, Accept-Encoding, Authorization"),
]
PATCHES: Final = ", ".join((JSON_PATCH, FHIR, MERGE_PATCH)).encode()
RETURNS: Final = {
    "minimal": "minimal",
    "representation": "representation",
    "operationoutcome": "OperationOutcome",
}
"""Values of `Prefer: return=…`, by how they are compared."""

Headers = list[tuple[bytes, bytes]]


@dataclass(slots=True)
class Response:
    """Status, headers beyond the usual ones, and the exact body.

    `gzipped` is the body compressed beforehand, for what is sent again and again.
    """

    status: int
    body: bytes = b""
    headers: Headers = field(default_factory=list)
    gzipped: bytes | None = None


def of_version(request: Request, version: Version, status: int = 200) -> Response:
    """Return a resource with its version headers, or 304 if the caller has it already."""
    headers = version_headers(version)
    if status == 200 and _unchanged(request, etag(version.version), version.updated):
        return Response(304, b"", headers)
    return Response(status, version.body or b"", headers)


def of_result(request: Request, ctx: Context, result: Result) -> Response:
    """Return the answer to a write, as `Prefer: return=…` asks for it."""
    version = result.version
    headers = version_headers(version) if version.version else []
    place = f"{request.base}/{version.reference}/_history/{version.version}".encode("latin-1")
    if result.status == 201 or request.path != version.reference:
        # Also where criteria chose it: the caller must learn which resource it is.
        headers.append((b"location", place))
    if ctx.returns == "OperationOutcome":
        said = "stored" if result.changed else "unchanged: no new version was made"
        if version.body is None:
            said = "deleted" if result.changed else "not there: nothing was deleted"
        text = f"`{version.reference}` is {said}."
        return of_outcome(200 if result.status == 204 else result.status, text, headers)
    if version.body is None:
        return Response(result.status, b"", headers)
    if ctx.returns == "minimal":
        return Response(result.status, b"", [*headers, _applied(ctx)])
    headers.append((b"content-location", place))
    if ctx.returns:
        headers.append(_applied(ctx))
    return Response(result.status, version.body, headers)


def of_deleted(ctx: Context, deleted: Deleted) -> Response:
    """Return the answer to a conditional delete."""
    if ctx.returns != "OperationOutcome":
        return Response(204)
    return of_outcome(200, f"{deleted.count} resources were deleted.", [])


def of_page(page: Page) -> Response:
    """Return a Bundle that was made this moment."""
    return Response(200, page.body, [(b"last-modified", http_date(now() // 1000))])


def of_json(status: int, resource: Mapping[str, Any]) -> Response:
    """Return a resource that was made for this answer."""
    return Response(status, jsonio.encode(resource))


def of_outcome(status: int, text: str, headers: Headers) -> Response:
    """Return a success told in words, as `Prefer: return=OperationOutcome` asks for it."""
    issue = {"severity": "information", "code": "informational", "diagnostics": text}
    resource = {"resourceType": "OperationOutcome", "issue": [issue]}
    return Response(status, jsonio.encode(resource), headers)


def of_error(error: FhirError) -> Response:
    """Return the refusal as an OperationOutcome."""
    headers: Headers = []
    match error.status:
        case 401:
            headers.append((b"www-authenticate", b'Bearer realm="MedFlow"'))
        case 415:
            # https://www.rfc-editor.org/rfc/rfc9110#section-15.5.16 and RFC 5789 §2.2
            headers.append((b"accept-encoding", b"gzip, identity"))
            headers.append((b"accept-patch", PATCHES))
        case 429:
            headers.append((b"retry-after", b"5"))
        case 503:
            headers.append((b"retry-after", b"1"))
    return Response(error.status, jsonio.encode(outcome(error)), headers)


def of_constant(
    request: Request, body: bytes, tag: str, headers: Headers, gzipped: bytes | None = None
) -> Response:
    """Return what changes with the server's release only, or 304 if the caller has it already."""
    own = [(b"etag", tag.encode()), *headers]
    if _unchanged(request, tag, None):
        return Response(304, b"", own)
    return Response(200, body, own, gzipped)


def pretty(response: Response) -> Response:
    """Return the same with an indented body; numbers stay as they are."""
    if response.body:
        response.body = msgspec.json.format(response.body, indent=2)
        response.gzipped = None
    return response


def version_headers(version: Version) -> Headers:
    """Return `ETag` and `Last-Modified`."""
    return [
        (b"etag", etag(version.version).encode()),
        (b"last-modified", http_date(version.updated // 1000)),
    ]


@lru_cache(maxsize=4096)
def http_date(seconds: int) -> bytes:
    """https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7."""
    return formatdate(seconds, usegmt=True).encode()


def _applied(ctx: Context) -> tuple[bytes, bytes]:
    return b"preference-applied", f"return={ctx.returns}".encode()


def _unchanged(request: Request, own: str, updated: int | None) -> bool:
    """https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2: `If-None-Match` goes first."""
    tags = request.header(b"if-none-match")
    if tags:
        return any(tag.strip() in {"*", own, own.removeprefix("W/")} for tag in tags.split(","))
    since = request.header(b"if-modified-since")
    if not since or updated is None:
        return False
    try:
        return updated // 1000 <= parsedate_to_datetime(since).timestamp()
    except (ValueError, OverflowError):
        return False
