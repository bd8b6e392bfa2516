"""One HTTP request to the FHIR API, read from ASGI with limits.

https://hl7.org/fhir/R4/http.html
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote

from fhir_server.http.compression import Inflater
from fhir_server.http.negotiation import MIME, preferences, understood
from kernel.errors import BadStructure, Invalid, TooLarge, UnsupportedMediaType

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, MutableMapping

    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

JSON: Final = frozenset(
    {"application/fhir+json", "application/json", "text/json", "application/json+fhir"}
)
FORM: Final = "application/x-www-form-urlencoded"
_HOST: Final = re.compile(r"[A-Za-z0-9.\-]{1,253}(:\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:\d{1,5})?")
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9.\-_:]{1,128}")


class Disconnected(Exception):  # it is told to nobody
    """The client went away before its request was complete."""


@dataclass(slots=True)
class Request:
    """What was asked; `path` is relative to the FHIR base, without slashes at its ends."""

    method: str
    path: str
    raw_query: str
    headers: dict[bytes, bytes]
    base: str
    id: str
    receive: Receive
    mime: bytes = MIME
    """Content type of the answer, as negotiated."""
    read: bytes | None = None
    """The body, once it was read."""
    pairs: list[tuple[str, str]] | None = None
    """The parameters, once they were read."""

    @classmethod
    def of(
        cls, scope: MutableMapping[str, Any], receive: Receive, root: str, public_url: str = ""
    ) -> Request:
        """Read what the ASGI scope says; the body is read later, by `body`."""
        headers = _merged(scope["headers"])
        path = _path(scope, root)
        raw_query = scope["query_string"].decode("latin-1")
        return cls(
            scope["method"],
            path,
            raw_query,
            headers,
            _base(scope, headers, root, public_url),
            request_id(headers.get(b"x-request-id", b"")),
            receive,
        )

    @property
    def query(self) -> list[tuple[str, str]]:
        """The parameters of the URL, decoded. Raises Invalid."""
        if self.pairs is None:
            self.pairs = _pairs(self.raw_query) if self.raw_query else []
        return self.pairs

    @property
    def url(self) -> str:
        """What was asked for, as the caller wrote it."""
        where = f"{self.base}/{self.path}" if self.path else self.base
        return f"{where}?{self.raw_query}" if self.raw_query else where

    def header(self, name: bytes) -> str:
        """Return a header, "" if it was not sent."""
        return self.headers.get(name, b"").decode("latin-1")

    def parameter(self, name: str) -> str | None:
        """Return the last value of a query parameter."""
        return next((value for key, value in reversed(self.query) if key == name), None)

    def prefers(self, name: str) -> str | None:
        """Return the value that `Prefer` gives, "" if it only names it, None if it does not.

        https://www.rfc-editor.org/rfc/rfc7240
        """
        given = self.header(b"prefer")
        return preferences(given).get(name) if given else None

    async def body(self, limit: int) -> bytes:
        """Return the whole body, inflated if it was sent compressed.

        Raises:
            TooLarge: it is longer than `limit` bytes; the rest is not read.
            UnsupportedMediaType: it is compressed in another way than by gzip.
            Disconnected: the client went away.
        """
        if self.read is None:
            self.read = await self._receive(limit)
        return self.read

    async def _receive(self, limit: int) -> bytes:
        declared = self.header(b"content-length")
        if declared.isascii() and declared.isdigit() and int(declared[:18]) > limit:
            raise _too_large(limit)
        inflater = self._inflater(limit)
        parts: list[bytes] = []
        size = 0
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            part = message.get("body", b"")
            if inflater is not None:
                part = await inflater.feed(part, last=not message.get("more_body"))
            size += len(part)
            if size > limit:
                raise _too_large(limit)
            parts.append(part)
            if not message.get("more_body"):
                return parts[0] if len(parts) == 1 else b"".join(parts)

    def _inflater(self, limit: int) -> Inflater | None:
        encoding = self.header(b"content-encoding").strip().lower()
        if encoding in {"", "identity"}:
            return None
        if encoding not in {"gzip", "x-gzip"}:
            raise UnsupportedMediaType(
                f"`Content-Encoding` is `{encoding[:40]}`; `gzip` or none is read here."
            )
        return Inflater(limit)

    async def json(self, limit: int, *, empty: bool = False) -> bytes:
        """Return a body that claims to be JSON; only if `empty` it may be b"".

        Raises:
            UnsupportedMediaType: it claims to be something else.
            BadStructure: it is empty.
        """
        given = self.header(b"content-type")
        kind, _, parameters = given.partition(";")
        kind = kind.strip().lower()
        if kind and kind not in JSON:
            raise UnsupportedMediaType(
                f"`Content-Type` is `{kind[:80]}`; `application/fhir+json` is read here."
            )
        if parameters:
            understood(given)
        body = await self.body(limit)
        if not body and not empty:
            raise BadStructure("The body is empty; a resource in JSON is expected.")
        return body

    async def form(self, limit: int) -> list[tuple[str, str]]:
        """Return the fields of a form.

        Raises:
            UnsupportedMediaType: the body is none.
        """
        kind = self.header(b"content-type").partition(";")[0].strip().lower()
        body = await self.body(limit)
        if body and kind != FORM:
            raise UnsupportedMediaType(f"`Content-Type` is `{kind[:80]}`; `{FORM}` is expected.")
        try:
            return _pairs(body.decode("utf-8"))
        except UnicodeDecodeError:
            raise BadStructure("The form is not UTF-8.") from None


def request_id(given: bytes) -> str:
    """Return the caller's id of a request, or a new one if it could harm a log."""
    text = given.decode("latin-1")
    return text if _REQUEST_ID.fullmatch(text) else secrets.token_hex(16)


def segments(path: str) -> list[str]:
    """Return the parts of a path, decoded; an encoded slash does not part them."""
    return [unquote(part) for part in path.split("/")] if path else []


def _path(scope: MutableMapping[str, Any], root: str) -> str:
    """Return the path below the root as it was sent, still encoded."""
    raw: str = scope.get("raw_path", b"").decode("latin-1")
    # A caller may have encoded letters of the root itself.
    path: str = raw if raw.startswith(root) else scope["path"]
    return path.removeprefix(root).removeprefix("/").removesuffix("/")


def _merged(pairs: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Return headers by name; one that is there several times is one list.

    https://www.rfc-editor.org/rfc/rfc9110#section-5.2
    """
    given = list(pairs)
    merged = dict(given)
    if len(merged) < len(given):
        merged.clear()
        for name, value in given:
            merged[name] = merged[name] + b", " + value if name in merged else value
    return merged


def _pairs(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=1000, errors="strict")
    except ValueError:
        raise Invalid("The parameters are not percent-encoded UTF-8, or more than 1000.") from None


def _base(
    scope: MutableMapping[str, Any], headers: dict[bytes, bytes], root: str, public_url: str
) -> str:
    if public_url:
        return f"{public_url.rstrip('/')}{root}"
    host = headers.get(b"host", b"").decode("latin-1")
    if not _HOST.fullmatch(host):
        server = scope.get("server") or ("127.0.0.1", None)
        host = f"{server[0]}:{server[1]}" if server[1] else server[0]
    return f"{scope.get('scheme', 'http')}://{host}{root}"


def _too_large(limit: int) -> TooLarge:
    return TooLarge(
        f"The body is longer than {limit} bytes. Send a Bundle in parts, or large content as Binary."
    )
