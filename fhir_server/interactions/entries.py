"""Entries of a batch or transaction Bundle, read without touching the resources' bytes.

https://hl7.org/fhir/R4/bundle.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from fhir_server import jsonio
from fhir_server.engine import check_id
from fhir_server.interactions.etag import version_of
from fhir_server.tables import RESOURCE_TYPES
from kernel.errors import BadStructure, Invalid, TooLarge, Unprocessable

if TYPE_CHECKING:
    from fhir_server.model import Resource

METHODS: Final = ("DELETE", "POST", "PUT", "GET")
"""Those supported, in the order in which a transaction carries them out."""
_AT: Final = re.compile(r" - at `\$(?P<path>.*)`$")
ABSENT: Final = msgspec.Raw()


class _Request(msgspec.Struct, forbid_unknown_fields=True):
    method: str
    url: str
    id: str | None = None
    extension: msgspec.Raw = ABSENT
    ifNoneMatch: str | None = None
    ifModifiedSince: str | None = None
    ifMatch: str | None = None
    ifNoneExist: str | None = None


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    request: _Request
    id: str | None = None
    extension: msgspec.Raw = ABSENT
    link: msgspec.Raw = ABSENT
    fullUrl: str = ""
    resource: msgspec.Raw = ABSENT
    search: msgspec.Raw = ABSENT
    response: msgspec.Raw = ABSENT


class _Bundle(msgspec.Struct, forbid_unknown_fields=True):
    resourceType: Literal["Bundle"]
    type: str
    id: str | None = None
    meta: msgspec.Raw = ABSENT
    implicitRules: str | None = None
    language: str | None = None
    identifier: msgspec.Raw = ABSENT
    timestamp: str | None = None
    total: int | None = None
    link: msgspec.Raw = ABSENT
    entry: list[_Entry] = []
    signature: msgspec.Raw = ABSENT


_BUNDLE: Final = msgspec.json.Decoder(_Bundle)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry; `query` is what follows `?` in its URL, `id` is "" for a type."""

    number: int
    full_url: str
    method: str
    type: str
    id: str
    query: str
    if_match: int | None
    if_none_exist: str | None
    raw: bytes

    @property
    def where(self) -> str:
        return f"Bundle.entry[{self.number}]"


def read(body: bytes | Resource, limit: int) -> tuple[str, list[Entry]]:
    """Return the Bundle's type and its entries.

    Raises:
        BadStructure: not JSON, or not a Bundle whose entries have a request each.
        Invalid: an entry's request makes no sense.
        TooLarge: more than `limit` entries.
    """
    raw = body if isinstance(body, bytes) else jsonio.encode(body)
    try:
        bundle = _BUNDLE.decode(raw.removeprefix(b"\xef\xbb\xbf"))
    except RecursionError:
        raise BadStructure("The JSON is nested too deeply. Send a flatter one.") from None
    except msgspec.ValidationError as error:
        text = str(error)
        at = _AT.search(text)
        path = f"Bundle{at['path']}" if at else "Bundle"
        raise BadStructure(f"{_AT.sub('', text)} at `{path}`.", path) from None
    except (msgspec.DecodeError, UnicodeError) as error:
        raise BadStructure(f"The body is not JSON: {str(error)[:200]}.") from None
    if bundle.type not in {"batch", "transaction"}:
        raise Invalid(
            f"`Bundle.type` is `{bundle.type[:60]}`; `transaction` or `batch` can be run here."
            " To store a Bundle as a document, post it to `/Bundle`.",
            "Bundle.type",
        )
    if len(bundle.entry) > limit:
        raise TooLarge(
            f"The Bundle has {len(bundle.entry)} entries; {limit} are accepted."
            " Send it in parts: entries that refer to each other belong in one part.",
            "Bundle.entry",
        )
    return bundle.type, [_entry(number, entry) for number, entry in enumerate(bundle.entry)]


def _entry(number: int, entry: _Entry) -> Entry:
    where = f"Bundle.entry[{number}]"
    request = entry.request
    if request.method not in METHODS:
        raise Unprocessable(
            f"Method `{request.method[:20]}` is not supported in a Bundle; {', '.join(METHODS)} are.",
            f"{where}.request.method",
            code="not-supported",
        )
    type, id, query = _url(request.url, f"{where}.request.url")
    _check_shape(request.method, id, query, where)
    needs_resource = request.method in {"POST", "PUT"}
    if needs_resource and not bytes(entry.resource):
        raise Invalid(f"A {request.method} needs a resource.", f"{where}.resource", code="required")
    return Entry(
        number,
        entry.fullUrl,
        request.method,
        type,
        id,
        query,
        None if request.ifMatch is None else version_of(request.ifMatch),
        request.ifNoneExist,
        bytes(entry.resource) if needs_resource else b"",
    )


def _url(url: str, where: str) -> tuple[str, str, str]:
    path, _, query = url.partition("?")
    parts = path.strip("/").split("/")
    if parts[0] not in RESOURCE_TYPES or len(parts) > 2:
        raise Invalid(
            f"`{url[:120]}` is not a URL that can be run in a Bundle;"
            " `Type`, `Type/id` and `Type?criteria` are.",
            where,
            code="not-supported",
        )
    return parts[0], check_id(parts[1]) if len(parts) == 2 else "", query


def _check_shape(method: str, id: str, query: str, where: str) -> None:
    wanted = {
        "POST": (not id and not query, "`Type`"),
        "PUT": (bool(id) != bool(query), "`Type/id` or `Type?criteria`"),
        "DELETE": (bool(id) and not query, "`Type/id`"),
        "GET": (not (id and query), "`Type/id` or `Type?criteria`"),
    }
    right, form = wanted[method]
    if not right:
        raise Invalid(f"A {method} in a Bundle goes to {form}.", f"{where}.request.url")
