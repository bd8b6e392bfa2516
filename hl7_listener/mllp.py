"""Minimal Lower Layer Protocol: bytes to frames and back, without any input or output.

HL7 v2.5.1 appendix C §C.4.3: a frame is `VT message FS CR`. What is outside of a frame is not an
error of the standard's making, so it is counted, told as a finding, and survived.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

VT: Final = 0x0B
FS: Final = 0x1C
CR: Final = 0x0D
LF: Final = 0x0A

HEAD: Final = 4096
"""Bytes kept of a message that is too long: enough to answer its sender."""

JUNK: Final = 1024
"""Bytes outside of frames after which the peer is taken not to speak MLLP."""

_BLANK: Final = b"\r\n \t\x00"
_MARK: Final = re.compile(rb"[\x0b\x1c]")


@dataclass(frozen=True, slots=True)
class Frame:
    """One message. `size` is what was sent; if `truncated`, only the first `HEAD` bytes are here."""

    data: bytes
    size: int
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that should not have been sent, and how many bytes of it."""

    code: Literal["junk", "fragment", "not_mllp"]
    size: int


class FrameDecoder:
    """Feed it what arrives, however it is cut: the frames and findings are always the same.

    It holds at most `limit` bytes. After a `not_mllp` finding it ignores all that follows.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._state: Literal["out", "in", "after", "closed"] = "out"
        self._buffer = bytearray()
        self._size = 0
        self._junk = 0
        self._begun = False

    @property
    def unfinished(self) -> bool:
        """Whether a message has begun and not ended, or junk is all that ever came."""
        return self._state in {"in", "after"} or (self._junk > 0 and not self._begun)

    @property
    def ending(self) -> bool:
        """Whether only the byte after FS is missing: `flush` may take the frame as it is."""
        return self._state == "after"

    def feed(self, data: bytes) -> list[Frame | Finding]:
        """Return what `data` completes."""
        found: list[Frame | Finding] = []
        position = 0
        while position < len(data) and self._state != "closed":
            if self._state == "out":
                position = self._outside(data, position, found)
            elif self._state == "in":
                position = self._inside(data, position, found)
            else:
                position = self._after(data, position, found)
        return found

    def flush(self) -> list[Frame | Finding]:
        """Return the frame whose FS came without a CR, if there is one."""
        if self._state != "after":
            return []
        self._state = "out"
        return [self._take()]

    def _outside(self, data: bytes, position: int, found: list[Frame | Finding]) -> int:
        start = data.find(VT, position)
        end = len(data) if start < 0 else start
        self._junk += sum(byte not in _BLANK for byte in data[position : min(end, position + 4096)])
        if self._junk > JUNK:
            self._state = "closed"
            found.append(Finding("not_mllp", JUNK))
            return len(data)
        if start < 0:
            return min(end, position + 4096)
        if end - position > 4096:
            return position + 4096
        if self._junk:
            found.append(Finding("junk", self._junk))
            self._junk = 0
        self._state = "in"
        self._begun = True
        return start + 1

    def _inside(self, data: bytes, position: int, found: list[Frame | Finding]) -> int:
        mark = _MARK.search(data, position)
        end = mark.start() if mark else len(data)
        self._append(data[position:end])
        if mark is None:
            return end
        if data[end] == FS:
            self._state = "after"
        else:  # a sender that gave up and began again
            found.append(Finding("fragment", self._size))
            self._buffer.clear()
            self._size = 0
        return end + 1

    def _after(self, data: bytes, position: int, found: list[Frame | Finding]) -> int:
        byte = data[position]
        if byte in {CR, LF, VT}:
            self._state = "in" if byte == VT else "out"
            found.append(self._take())
            return position + 1
        self._append(b"\x1c")  # a separator inside the message, not its end
        self._state = "in"
        return position

    def _append(self, data: bytes) -> None:
        self._size += len(data)
        if self._size <= self._limit:
            self._buffer += data
            return
        room = HEAD - len(self._buffer)
        if room > 0:
            self._buffer += data[:room]
        del self._buffer[HEAD:]

    def _take(self) -> Frame:
        truncated = self._size > self._limit
        frame = Frame(
            bytes(self._buffer[:HEAD] if truncated else self._buffer), self._size, truncated
        )
        self._buffer.clear()
        self._size = 0
        return frame


def encode(message: bytes) -> bytes:
    """Return the message as one frame."""
    return b"\x0b" + message + b"\x1c\r"
