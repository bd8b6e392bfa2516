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
from fhir_server.interactions.etag import versions_of
from fhir_server.tables import RESOURCE_TYPES
from kernel.errors import BadStructure, BadValue, FhirError, Invalid, TooLarge, Unprocessable

if TYPE_CHECKING:
    from fhir_server.model import Resource

METHODS: Final = ("DELETE", "POST", "PUT", "PATCH", "GET", "HEAD")
"""In the order in which a transaction carries them out."""
READS: Final = frozenset({"GET", "HEAD"})
BODIES: Final = frozenset({"POST", "PUT", "PATCH"})
OPERATE: Final = READS | {"POST"}
SYSTEM: Final = frozenset({"", "metadata", "_history"})
"""What is read of the whole system, besides operations."""
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
    request: _Request | None = None
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
    """One entry. Its URL is `type/id/tail…?query`; each part is "" or empty where there is none.

    `tail` is what a read can go on with, such as `_history`, `2`, and the name of an operation.
    `if_match` are versions of which one must be current, 0 for none.
    `fault` is why an entry of a batch cannot even be tried; the rest says little then.
    """

    number: int
    full_url: str
    method: str
    type: str
    id: str
    tail: tuple[str, ...]
    query: str
    if_match: tuple[int, ...]
    if_none_match: str | None
    if_modified_since: str | None
    if_none_exist: str | None
    raw: bytes
    fault: FhirError | None = None

    @property
    def where(self) -> str:
        return f"Bundle.entry[{self.number}]"

    @property
    def operation(self) -> str:
        """The name of the operation that is asked for, "" if it is an interaction."""
        return self.tail[-1][1:] if self.tail and self.tail[-1].startswith("$") else ""

    @property
    def writes(self) -> bool:
        """Whether this is one of the interactions that a transaction carries out in the store."""
        return self.method not in READS and not self.operation


def read(body: bytes | Resource, limit: int, base: str = "") -> tuple[str, list[Entry]]:
    """Return the Bundle's type and its entries; `base` may stand before an entry's URL.

    Raises:
        BadStructure: not JSON, or not a Bundle.
        FhirError: an entry's request makes no sense; that of a batch is answered in its place.
        TooLarge: more than `limit` entries.
    """
    bundle = _bundle(body if isinstance(body, bytes) else jsonio.encode(body))
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
    look = _tried if bundle.type == "batch" else _entry
    return bundle.type, [look(number, entry, base) for number, entry in enumerate(bundle.entry)]


def _bundle(raw: bytes) -> _Bundle:
    try:
        return _BUNDLE.decode(raw.removeprefix(b"\xef\xbb\xbf"))
    except RecursionError:
        raise BadStructure("The JSON is nested too deeply. Send a flatter one.") from None
    except msgspec.ValidationError as error:
        text = str(error)
        at = _AT.search(text)
        path = f"Bundle{at['path']}" if at else "Bundle"
        raise BadStructure(f"{_AT.sub('', text)} at `{path}`.", path) from None
    except (msgspec.DecodeError, UnicodeError) as error:
        raise BadStructure(f"The body is not JSON: {str(error)[:200]}.") from None


def _tried(number: int, entry: _Entry, base: str) -> Entry:
    """Return an entry, or one that holds what is wrong with it: the others do not depend on it."""
    try:
        return _entry(number, entry, base)
    except FhirError as error:
        return Entry(number, "", "", "", "", (), "", (), None, None, None, b"", fault=error)


def _entry(number: int, entry: _Entry, base: str) -> Entry:
    where = f"Bundle.entry[{number}]"
    request = entry.request
    if request is None:
        raise BadStructure("An entry of a batch or transaction needs a `request`.", where)
    method = request.method
    if method not in METHODS:
        raise Unprocessable(
            f"Method `{method[:20]}` is not supported in a Bundle; {', '.join(METHODS)} are.",
            f"{where}.request.method",
            code="not-supported",
        )
    type, id, tail, query = _url(request.url, base, f"{where}.request.url")
    operation = bool(tail) and tail[-1].startswith("$")
    if not operation or method not in OPERATE:
        _check_shape(method, f"{type}/{id}" if id else type, tail, query, where)
    raw = bytes(entry.resource) if method in BODIES else b""
    if method in BODIES and not raw and not operation:
        raise Invalid(f"A {method} needs a resource.", f"{where}.resource", code="required")
    try:
        return Entry(
            number,
            entry.fullUrl,
            method,
            type,
            id,
            tail,
            query,
            _expected(request),
            _for(request, "ifNoneMatch", READS | {"PUT"}),
            _for(request, "ifModifiedSince", READS),
            _for(request, "ifNoneExist", frozenset({"POST"})),
            raw,
        )
    except Invalid as error:
        raise error.__class__(str(error), f"{where}.request") from None


def _expected(request: _Request) -> tuple[int, ...]:
    """Return the versions of which one must be current; `ifNoneMatch` of `*` is: none."""
    if request.method == "PUT" and request.ifNoneMatch is not None:
        if request.ifNoneMatch.strip() != "*" or request.ifMatch is not None:
            raise Invalid("`ifNoneMatch` of a PUT is `*`, and stands without an `ifMatch`.")
        return (0,)
    given = _for(request, "ifMatch", frozenset({"PUT", "PATCH", "DELETE"}))
    return () if given is None else versions_of(given)


def _for(request: _Request, name: str, methods: frozenset[str]) -> str | None:
    """Return a condition; one that means nothing with this method is not silently left out."""
    given: str | None = getattr(request, name)
    if given is not None and request.method not in methods:
        raise Invalid(f"`{name}` says nothing about a {request.method}.")
    return given


def _url(url: str, base: str, where: str) -> tuple[str, str, tuple[str, ...], str]:
    """Return type, id, what follows, and the query."""
    if base and url.startswith(f"{base}/"):
        url = url[len(base) :]
    path, _, query = url.partition("?")
    parts = path.strip("/").split("/")
    type, id = "", ""
    if parts[0] in RESOURCE_TYPES:
        type = parts.pop(0)
        if parts and parts[0][:1] not in {"_", "$"}:
            id = _id(parts.pop(0), where)
    elif parts[0] not in SYSTEM and not parts[0].startswith("$"):
        raise _no_url(url, where)
    if len(parts) > 2:
        raise _no_url(url, where)
    return type, id, tuple(part for part in parts if part), query


def _id(text: str, where: str) -> str:
    try:
        return check_id(text)
    except BadValue as error:
        raise BadValue(str(error), where) from None


def _no_url(url: str, where: str) -> Invalid:
    return Invalid(
        f"`{url[:120]}` is not a URL that can be run in a Bundle;"
        " `Type`, `Type/id` and `Type?criteria` are.",
        where,
        code="not-supported",
    )


def _check_shape(method: str, path: str, tail: tuple[str, ...], query: str, where: str) -> None:
    instance = "/" in path
    wanted = {
        "POST": (not instance and not query, "`Type`"),
        "PUT": (instance != bool(query), "`Type/id` or `Type?criteria`"),
        "PATCH": (instance != bool(query), "`Type/id` or `Type?criteria`"),
        "DELETE": (instance != bool(query), "`Type/id` or `Type?criteria`"),
    }
    right, form = wanted.get(method, (True, ""))
    if form and (not right or not path or tail):
        raise Invalid(f"A {method} in a Bundle goes to {form}.", f"{where}.request.url")
