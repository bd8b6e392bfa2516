"""Cross-origin requests: which web pages of other hosts may call us.

https://fetch.spec.whatwg.org/#http-cors-protocol

Tokens travel in `Authorization`, never in cookies, so no credentials are allowed and `*` is safe: a
page can only do what its own token allows.
"""

from __future__ import annotations

from typing import Final

METHODS: Final = b"GET, HEAD, POST, PUT, PATCH, DELETE"
EXPOSED: Final = (
    b"Content-Location, ETag, Expires, Last-Modified, Location, Preference-Applied, Retry-After,"
    b" WWW-Authenticate, X-Progress, X-Request-Id"
)
"""Headers that a script may read."""
ALLOWED: Final = (
    b"Accept, Authorization, Cache-Control, Content-Encoding, Content-Type, If-Match,"
    b" If-Modified-Since, If-None-Exist, If-None-Match, Prefer, X-Provenance, X-Request-Id,"
    b" X-Requested-With, X-Security-Context"
)
"""Headers that a script may send."""
REMEMBERED_S: Final = b"3600"

Headers = list[tuple[bytes, bytes]]


class Cors:
    """The rule for one server; `origins` is a comma separated list, `*` for all, empty for none."""

    def __init__(self, origins: str) -> None:
        self._origins = frozenset(part.strip().rstrip("/") for part in origins.split(","))
        self._all = "*" in self._origins

    def headers(self, origin: bytes) -> Headers:
        """Return the headers of an answer to a page of this origin."""
        allowed = self._allowed(origin)
        return [*allowed, (b"access-control-expose-headers", EXPOSED)] if allowed else []

    def preflight(self, origin: bytes) -> Headers:
        """Return the headers of the answer to a browser that asks before it sends."""
        allowed = self._allowed(origin)
        if not allowed:
            return []
        return [
            *allowed,
            (b"access-control-allow-methods", METHODS),
            (b"access-control-allow-headers", ALLOWED),
            (b"access-control-max-age", REMEMBERED_S),
        ]

    def _allowed(self, origin: bytes) -> Headers:
        if self._all:
            return [(b"access-control-allow-origin", b"*")]
        if origin.decode("latin-1") in self._origins:
            return [(b"access-control-allow-origin", origin), (b"vary", b"Origin")]
        return []
