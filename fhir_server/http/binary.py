"""Binary as what it holds: a document goes in and out in its own format.

https://hl7.org/fhir/R4/binary.html#rest
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Any, Final

from fhir_server import jsonio
from fhir_server.http.negotiation import NAMES, negotiate, weight
from fhir_server.http.request import JSON
from fhir_server.http.response import Response, version_headers
from kernel.errors import BadStructure, BadValue

if TYPE_CHECKING:
    from fhir_server.http.request import Request
    from fhir_server.model import Version

BINARY: Final = "Binary"
_TYPE: Final = re.compile(r"[\w.+-]{1,100}/[\w.+-]{1,100}(?:\s*;\s*[\w.-]+=[\w.\"/+-]+)*", re.ASCII)
_REFERENCE: Final = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9.-]{1,64}", re.ASCII)


def is_asked(request: Request) -> bool:
    """Return whether a request may be for the content of a Binary."""
    return request.method in {"GET", "HEAD"} and request.path.startswith(f"{BINARY}/")


def content(request: Request, version: Version) -> Response | None:
    """Return what a Binary holds, if its own format is what the caller asks for by name.

    It is sent as a download that a browser neither guesses at nor runs.

    Raises:
        NotAcceptable: neither its format nor JSON is what the caller can read.
    """
    resource = jsonio.decode(version.body or b"{}")
    kind, data = resource.get("contentType", ""), resource.get("data", "")
    accept, format = request.header(b"accept"), request.parameter("_format")
    if format is not None or not _prefers(accept, kind):
        request.mime = negotiate(accept, format)
        return None
    try:
        raw = base64.b64decode(data)
    except (binascii.Error, ValueError):
        return None
    headers = [
        *version_headers(version),
        (b"content-type", kind.encode()),
        (b"content-disposition", b"attachment"),
        (b"content-security-policy", b"sandbox; default-src 'none'"),
    ]
    return Response(200, raw, headers)


async def resource(request: Request, limit: int, id: str = "") -> bytes:
    """Return a body as a Binary: a resource as it is, anything else as content.

    Raises:
        BadStructure: it is empty.
        BadValue: it does not say what it is, or `X-Security-Context` is no reference.
    """
    given = request.header(b"content-type").strip()
    if not given or given.partition(";")[0].strip().lower() in JSON:
        return await request.json(limit)
    if _TYPE.fullmatch(given) is None:
        raise BadValue(f"`Content-Type` is `{given[:80]}`, which is no media type.")
    body = await request.body(limit)
    if not body:
        raise BadStructure("The body is empty; the content of a Binary is expected.")
    made: dict[str, Any] = {"resourceType": BINARY} | ({"id": id} if id else {})
    context = request.header(b"x-security-context").strip()
    if context:
        if _REFERENCE.fullmatch(context) is None:
            raise BadValue(
                f"`X-Security-Context` is `{context[:80]}`; a reference such as `Patient/1` is"
                " expected."
            )
        made["securityContext"] = {"reference": context}
    return jsonio.encode(
        made | {"contentType": given, "data": base64.b64encode(body).decode("ascii")}
    )


def _prefers(accept: str, kind: str) -> bool:
    """Return whether a format is accepted by name, and no less than FHIR's own."""
    if _TYPE.fullmatch(kind) is None:
        return False
    bare = kind.partition(";")[0].strip().lower()
    if bare in NAMES:
        return False
    group = f"{bare.partition('/')[0]}/*"
    # FHIR's own format is in `application/*` too, so that names neither.
    own = max(weight(accept, bare), weight(accept, group) if group != "application/*" else 0.0)
    return own > 0 and own >= max(weight(accept, name) for name in NAMES)
