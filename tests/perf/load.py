"""The load generator, the same for every contender: N keep-alive connections, one request each.

https://www.rfc-editor.org/rfc/rfc9112

What is asked over and over goes through wrk where it is installed (`wrk.py`): it leaves more of
the machine to what is measured.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import httptools

Next = Callable[[], bytes | None]
"""Gives the next request to send, whole; None when there are no more."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    location: str


@dataclass(frozen=True, slots=True)
class Load:
    """`count` answers in `seconds`; `p50` and `p95` in ms; `refused` counts wrong statuses."""

    seconds: float
    count: int
    p50: float
    p95: float
    refused: int

    @property
    def rate(self) -> float:
        return self.count / self.seconds

    @classmethod
    def of(cls, seconds: float, latencies: Sequence[float], refused: int) -> Load:
        inorder = sorted(latencies) or [float("nan")]
        p50, p95 = (inorder[min(int(len(inorder) * p), len(inorder) - 1)] for p in (0.5, 0.95))
        return cls(seconds, len(latencies), p50, p95, refused)


class Connection(asyncio.Protocol):
    """One keep-alive connection with one request in flight."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser: Any = None
        self._location = b""
        self._answered: asyncio.Future[Answer] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the interface without the class.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(exc or ConnectionResetError("The server hung up."))

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"location":
            self._location = value

    def on_message_complete(self) -> None:
        assert self._answered is not None
        self._answered.set_result(
            Answer(self._parser.get_status_code(), self._location.decode("latin-1"))
        )

    def ask(self, request: bytes) -> Awaitable[Answer]:
        assert self._transport is not None
        self._answered = asyncio.get_running_loop().create_future()
        self._location = b""
        self._parser = httptools.HttpResponseParser(self)
        self._transport.write(request)
        return self._answered

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


async def run(
    port: int,
    following: Next,
    connections: int,
    seconds: float = float("inf"),
    answered: Callable[[bytes, Answer], None] | None = None,
) -> Load:
    """Send what `following` gives until it ends or time is up."""
    loop = asyncio.get_running_loop()
    pool = [
        (await loop.create_connection(Connection, "127.0.0.1", port))[1] for _ in range(connections)
    ]

    async def ask(connection: Connection, request: bytes) -> bool:
        answer = await connection.ask(request)
        if answered is not None:
            answered(request, answer)
        return answer.status < 300

    try:
        return await drive([_asker(ask, one, following) for one in pool], seconds)
    finally:
        for connection in pool:
            connection.close()


def _asker(
    ask: Callable[[Connection, bytes], Awaitable[bool]], connection: Connection, following: Next
) -> Callable[[], Awaitable[bool | None]]:
    async def once() -> bool | None:
        request = following()
        return None if request is None else await ask(connection, request)

    return once


async def drive(callers: list[Callable[[], Awaitable[bool | None]]], seconds: float) -> Load:
    """Let each caller call, one call after the other; None from a caller ends it."""
    latencies: list[float] = []
    refused = 0
    start = time.perf_counter()

    async def work(call: Callable[[], Awaitable[bool | None]]) -> None:
        nonlocal refused
        before = time.perf_counter()
        while before - start < seconds:
            ok = await call()
            if ok is None:
                return
            after = time.perf_counter()
            latencies.append((after - before) * 1000)
            refused += not ok
            before = after

    await asyncio.gather(*(work(call) for call in callers))
    return Load.of(time.perf_counter() - start, latencies, refused)


def request(method: str, path: str, body: bytes = b"") -> bytes:
    """Return a whole HTTP/1.1 request."""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/fhir+json\r\n"
    if body:
        head += f"Content-Type: application/fhir+json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body
