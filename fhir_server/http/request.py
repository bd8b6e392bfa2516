"""One HTTP request to the FHIR API, read from ASGI with limits.

https://hl7.org/fhir/R4/http.html
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote

from kernel.errors import BadStructure, Invalid, TooLarge, UnsupportedMediaType

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

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
    query: list[tuple[str, str]]
    headers: dict[bytes, bytes]
    base: str
    id: str
    receive: Receive

    @classmethod
    def of(
        cls, scope: MutableMapping[str, Any], receive: Receive, root: str, public_url: str = ""
    ) -> Request:
        """Read what the ASGI scope says; the body is read later, by `body`."""
        headers = dict(scope["headers"])
        path = scope["path"].removeprefix(root).strip("/")
        raw_query = scope["query_string"].decode("latin-1")
        given = headers.get(b"x-request-id", b"").decode("latin-1")
        return cls(
            scope["method"],
            path,
            _pairs(raw_query),
            headers,
            _base(scope, headers, root, public_url),
            given if _REQUEST_ID.fullmatch(given) else str(uuid.uuid4()),
            receive,
        )

    def header(self, name: bytes) -> str:
        """Return a header, "" if it was not sent."""
        return self.headers.get(name, b"").decode("latin-1")

    def parameter(self, name: str) -> str | None:
        """Return the last value of a query parameter."""
        return next((value for key, value in reversed(self.query) if key == name), None)

    def prefers(self, name: str, value: str) -> bool:
        """Return whether `Prefer` asks for this.

        https://www.rfc-editor.org/rfc/rfc7240
        """
        wanted = f"{name}={value}".lower()
        parts = re.split(r"[,;]", self.header(b"prefer"))
        return any(part.strip().replace('"', "").lower() == wanted for part in parts)

    async def body(self, limit: int) -> bytes:
        """Return the whole body.

        Raises:
            TooLarge: it is longer than `limit` bytes; the rest is not read.
            Disconnected: the client went away.
        """
        declared = self.header(b"content-length")
        if declared.isascii() and declared.isdigit() and int(declared[:18]) > limit:
            raise _too_large(limit)
        parts: list[bytes] = []
        size = 0
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            part = message.get("body", b"")
            size += len(part)
            if size > limit:
                raise _too_large(limit)
            parts.append(part)
            if not message.get("more_body"):
                return parts[0] if len(parts) == 1 else b"".join(parts)

    async def json(self, limit: int) -> bytes:
        """Return a body that claims to be JSON.

        Raises:
            UnsupportedMediaType: it claims to be something else.
            BadStructure: it is empty.
        """
        self._check_encoding()
        kind, _, parameters = self.header(b"content-type").partition(";")
        kind = kind.strip().lower()
        if kind and kind not in JSON:
            raise UnsupportedMediaType(
                f"`Content-Type` is `{kind[:80]}`; `application/fhir+json` is read here."
            )
        charset = re.search(r"charset\s*=\s*\"?([\w-]+)", parameters)
        if charset and charset[1].lower() not in {"utf-8", "utf8", "us-ascii"}:
            raise UnsupportedMediaType(f"The charset is `{charset[1][:40]}`; JSON is UTF-8.")
        body = await self.body(limit)
        if not body:
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

    def _check_encoding(self) -> None:
        encoding = self.header(b"content-encoding")
        if encoding and encoding.lower() != "identity":
            raise UnsupportedMediaType(
                f"`Content-Encoding` is `{encoding[:40]}`; send the body uncompressed."
            )


def segments(path: str) -> list[str]:
    """Return the parts of a path, decoded; an encoded slash does not part them."""
    return [unquote(part) for part in path.split("/")] if path else []


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
