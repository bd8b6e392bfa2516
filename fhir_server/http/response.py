"""Answers of the FHIR API: negotiation, headers and bytes.

https://hl7.org/fhir/R4/http.html#mime-type
"""

from __future__ import annotations

from dataclasses import dataclass, field
from email.utils import formatdate, parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import msgspec

from fhir_server import jsonio
from fhir_server.interactions.etag import etag
from kernel.errors import FhirError, NotAcceptable, outcome

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from fhir_server.http.request import Request
    from fhir_server.model import Result, Version

MIME: Final = b"application/fhir+json;charset=utf-8"
ALWAYS: Final = [
    (b"content-type", MIME),
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"private, no-cache"),
]
ACCEPTED: Final = frozenset(
    {
        "",
        "*/*",
        "application/*",
        "application/fhir+json",
        "application/json",
        "application/json+fhir",
        "text/json",
        "json",
    }
)


@dataclass(slots=True)
class Response:
    """Status, headers beyond the usual ones, and the exact body."""

    status: int
    body: bytes = b""
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)


def check_format(request: Request) -> None:
    """Refuse a caller who cannot read JSON.

    Raises:
        NotAcceptable: neither `_format` nor `Accept` allows JSON.
    """
    asked = request.parameter("_format")
    if asked is not None:
        if asked.replace(" ", "+").partition(";")[0].strip().lower() not in ACCEPTED - {"", "*/*"}:
            raise NotAcceptable(f"`_format` is `{asked[:80]}`; `json` is what there is.")
        return
    accept = request.header(b"accept")
    kinds = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    if not any(kind in ACCEPTED for kind in kinds):
        raise NotAcceptable(
            f"`Accept` is `{accept[:80]}`; `application/fhir+json` is what there is."
        )


def of_version(request: Request, version: Version, status: int = 200) -> Response:
    """Return a resource with its version headers, or 304 if the caller has it already."""
    headers = version_headers(version)
    if status == 200 and _unchanged(request, version):
        return Response(304, b"", headers)
    return Response(status, version.body or b"", headers)


def of_result(request: Request, result: Result) -> Response:
    """Return the answer to a write, as `Prefer: return=…` asks for it."""
    version = result.version
    headers = version_headers(version) if version.version else []
    if result.status == 201:
        place = f"{request.base}/{version.reference}/_history/{version.version}"
        headers.append((b"location", place.encode("latin-1")))
    if request.prefers("return", "minimal") or version.body is None:
        return Response(result.status, b"", headers)
    if request.prefers("return", "OperationOutcome"):
        said = "stored" if result.changed else "unchanged: no new version was made"
        text = f"`{version.reference}` is {said}."
        return Response(result.status, jsonio.encode(_information(text)), headers)
    return Response(result.status, version.body, headers)


def of_json(status: int, resource: Mapping[str, Any]) -> Response:
    """Return a resource that was made for this answer."""
    return Response(status, jsonio.encode(resource))


def of_error(error: FhirError) -> Response:
    """Return the refusal as an OperationOutcome."""
    headers: list[tuple[bytes, bytes]] = []
    if error.status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="MedFlow"'))
    if error.status == 503:
        headers.append((b"retry-after", b"1"))
    return Response(error.status, jsonio.encode(outcome(error)), headers)


def pretty(response: Response) -> Response:
    """Return the same with an indented body; numbers stay as they are."""
    if response.body:
        response.body = msgspec.json.format(response.body, indent=2)
    return response


def version_headers(version: Version) -> list[tuple[bytes, bytes]]:
    """Return `ETag` and `Last-Modified`."""
    return [
        (b"etag", etag(version.version).encode()),
        (b"last-modified", _http_date(version.updated // 1000)),
    ]


@lru_cache(maxsize=4096)
def _http_date(seconds: int) -> bytes:
    return formatdate(seconds, usegmt=True).encode()


def _unchanged(request: Request, version: Version) -> bool:
    """https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2: `If-None-Match` goes first."""
    tags = request.header(b"if-none-match")
    if tags:
        own = etag(version.version)
        return any(tag.strip() in {"*", own, own.removeprefix("W/")} for tag in tags.split(","))
    since = request.header(b"if-modified-since")
    if not since:
        return False
    try:
        return version.updated // 1000 <= parsedate_to_datetime(since).timestamp()
    except ValueError:
        return False


def _information(text: str) -> dict[str, Any]:
    issue = {"severity": "information", "code": "informational", "diagnostics": text}
    return {"resourceType": "OperationOutcome", "issue": [issue]}
