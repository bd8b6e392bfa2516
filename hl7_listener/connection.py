"""One MLLP connection: bytes in, frames to the intake in order, answers out.

HL7 v2.5.1 appendix C §C.4.3. What is hostile or broken costs at most its own connection: frames and
the queue are bounded, reading stops while the queue is full, and a peer that neither finishes a
message nor takes its answers is let go.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from typing import TYPE_CHECKING, Final, cast

from hl7_listener import mllp
from hl7_listener.batch import split
from kernel import log

if TYPE_CHECKING:
    from collections.abc import Callable

    from hl7_listener.intake import Intake
    from kernel.settings import Hl7

LOG = log.get("hl7_listener.connection")
QUEUE: Final = 64  # frames that wait
QUEUE_BYTES: Final = 1 << 20  # bytes that wait, beyond one frame
FLUSH_S: Final = 0.2  # a frame whose FS came without CR is taken after this


class Connection(asyncio.Protocol):
    """One peer. `closed` is called once, when it is gone."""

    def __init__(self, intake: Intake, settings: Hl7, closed: Callable[[Connection], None]) -> None:
        self.peer = ""
        self._intake = intake
        self._settings = settings
        self._closed = closed
        self._decoder = mllp.FrameDecoder(settings.max_message_bytes)
        self._frames: deque[mllp.Frame] = deque()
        self._waiting = 0
        self._wake = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._ended = False
        self._paused = False
        self._timer: asyncio.TimerHandle | None = None
        self._timed = ""
        self._transport: asyncio.Transport | None = None
        self._worker: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes: a cast, not a check.
        self._transport = cast("asyncio.Transport", transport)
        address = transport.get_extra_info("peername")
        self.peer = str(address[0]) if address else ""
        _configure(transport.get_extra_info("socket"))
        self._worker = asyncio.get_running_loop().create_task(self._work())
        self._arm()
        LOG.info("connection.open", peer=self.peer)

    def data_received(self, data: bytes) -> None:
        if self._ended:
            return
        found = self._decoder.feed(data)
        for one in found:
            self._take(one)
        self._arm(fresh=bool(found))

    def eof_received(self) -> bool:
        """Answer what has arrived, then close."""
        for found in self._decoder.flush():
            self._take(found)
        self._end()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_timer()
        self._end()
        self._writable.set()
        self._closed(self)
        LOG.info("connection.close", peer=self.peer, cause=type(exc).__name__ if exc else "")

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    async def finish(self, timeout_s: float) -> None:
        """Answer the message in work, and close."""
        self._frames.clear()
        self._end()
        if self._worker is not None:
            await asyncio.wait([self._worker], timeout=timeout_s)
            self._worker.cancel()
        if self._transport is not None:
            self._transport.abort()

    def _take(self, found: mllp.Frame | mllp.Finding) -> None:
        if isinstance(found, mllp.Frame):
            self._frames.append(found)
            self._waiting += len(found.data)
            self._wake.set()
            self._balance()
            return
        LOG.warning("frame.find", peer=self.peer, finding=found.code, bytes=found.size)
        if found.code == "not_mllp":
            self._end()

    def _balance(self) -> None:
        """Stop reading while too much waits, so that the peer's own buffers fill up."""
        full = len(self._frames) >= QUEUE or self._waiting > QUEUE_BYTES
        if self._transport is None or self._transport.is_closing() or full == self._paused:
            return
        self._paused = full
        if full:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()
            self._arm()

    async def _work(self) -> None:
        try:
            while True:
                while self._frames:
                    frame = self._frames.popleft()
                    self._waiting -= len(frame.data)
                    self._balance()
                    await self._answer(frame)
                    self._arm()
                if self._ended:
                    return
                self._wake.clear()
                await self._wake.wait()
        finally:
            if self._transport is not None:
                self._transport.close()

    async def _answer(self, frame: mllp.Frame) -> None:
        size = frame.size if frame.truncated else 0
        for raw in [frame.data] if frame.truncated else split(frame.data):
            outcome = await self._intake.receive(raw, self.peer, size=size)
            for reply in outcome.replies if outcome else ():
                await self._send(mllp.encode(reply))

    async def _send(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(data)
        try:
            async with asyncio.timeout(self._settings.frame_timeout_s):
                await self._writable.wait()
        except TimeoutError:
            LOG.warning("connection.stall", peer=self.peer)
            self._transport.abort()

    def _end(self) -> None:
        self._ended = True
        self._wake.set()

    def _arm(self, *, fresh: bool = False) -> None:
        """Set the one timer that fits the state; the time for a message runs from its beginning."""
        wanted, delay = self._deadline()
        if wanted == self._timed == "frame" and not fresh:
            return
        self._cancel_timer()
        self._timed = wanted
        if wanted:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(delay, self._expire, wanted)

    def _deadline(self) -> tuple[str, float]:
        if self._ended or self._paused:
            return "", 0.0
        if self._decoder.ending:
            return "flush", FLUSH_S
        if self._decoder.unfinished:
            return "frame", self._settings.frame_timeout_s
        if self._settings.idle_timeout_s and not self._frames:
            return "idle", self._settings.idle_timeout_s
        return "", 0.0

    def _expire(self, why: str) -> None:
        self._timed = ""
        if why == "flush":
            for found in self._decoder.flush():
                self._take(found)
            self._arm()
            return
        LOG.warning("connection.expire", peer=self.peer, cause=why)
        self._end()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        self._timed = ""


def _configure(connection: socket.socket | None) -> None:
    """Answers are small and awaited: send them at once; notice peers that vanished."""
    if connection is not None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
