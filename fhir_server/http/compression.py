"""gzip in both directions: answers that are worth it, and bodies that must not become bombs.

https://www.rfc-editor.org/rfc/rfc9110#section-8.4
"""

from __future__ import annotations

import asyncio
import zlib
from functools import lru_cache
from typing import Final

from kernel.errors import BadStructure, TooLarge

WORTHWHILE: Final = 1024
"""Bytes of an answer from which on it is compressed; a shorter one fits into a packet anyway."""
LARGE: Final = 64 << 10
"""Bytes from which on a thread does it, so that the others are served meanwhile."""
LEVEL: Final = 4
GZIP: Final = 31
"""zlib's name for the widest window in a gzip wrapper."""
STEP: Final = 1 << 20
"""Most bytes that are inflated before others get their turn."""


class Inflater:
    """Inflates a body piece by piece, and stops at a limit."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._stream = zlib.decompressobj(GZIP)

    async def feed(self, part: bytes, *, last: bool) -> bytes:
        """Return what the next piece of a body inflates to.

        Raises:
            TooLarge: the inflated body is longer than the limit.
            BadStructure: it is not gzip, or ends in the middle.
        """
        made: list[bytes] = []
        left = part
        while left:
            if self._stream.eof:  # a body may be several streams, one behind the other
                self._stream = zlib.decompressobj(GZIP)
            try:
                some = self._stream.decompress(left, STEP)
            except zlib.error:
                raise BadStructure("The body is not gzip, as `Content-Encoding` says.") from None
            self._size += len(some)
            if self._size > self._limit:
                raise TooLarge(f"The inflated body is longer than {self._limit} bytes.")
            made.append(some)
            left = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail
            if len(some) == STEP:
                await asyncio.sleep(0)
        if last and not self._stream.eof:
            raise BadStructure("The gzip body ends in the middle.")
        return b"".join(made)


@lru_cache(maxsize=64)
def accepts_gzip(accepted: str) -> bool:
    """Return whether an `Accept-Encoding` allows gzip.

    https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3
    """
    weights: dict[str, float] = {}
    for part in accepted.lower().split(","):
        name, _, parameter = part.partition(";")
        weights[name.strip()] = _weight(parameter)
    for name in ("gzip", "x-gzip", "*"):
        if name in weights:
            return weights[name] > 0
    return False


async def gzipped(body: bytes) -> bytes:
    """Return the body compressed."""
    if len(body) < LARGE:
        return compress(body)
    return await asyncio.to_thread(compress, body)


def compress(body: bytes) -> bytes:
    """Return the body compressed, on this thread."""
    return zlib.compress(body, LEVEL, GZIP)


def _weight(parameter: str) -> float:
    name, _, value = parameter.partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
