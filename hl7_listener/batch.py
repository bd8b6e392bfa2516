"""Batch and file wrappers: several messages in one frame or file.

HL7 v2.5.1 §2.10.3. The wrapper segments (FHS, BHS, BTS, FTS) carry no clinical content; each message
inside stands for itself and is acknowledged by itself.
"""

from __future__ import annotations

import re
from typing import Final

from hl7_listener.mllp import Frame, FrameDecoder

_WRAPPED: Final = re.compile(rb"(?:\A|(?<=[\r\n]))(?:(MSH)|FHS|BHS|BTS|FTS)(?=[^A-Za-z0-9\r\n])")


def split(raw: bytes) -> list[bytes]:
    """Return the messages in `raw`, MLLP framing taken off; `[raw]` if no MSH is to be found."""
    if raw.startswith(b"\x0b"):
        decoder = FrameDecoder(len(raw))
        found = decoder.feed(raw) + decoder.flush()
        frames = [item.data for item in found if isinstance(item, Frame)]
        return [message for frame in frames for message in split(frame)] or [raw]
    text = raw.removeprefix(b"\xef\xbb\xbf").lstrip()
    marks = list(_WRAPPED.finditer(text))
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    messages = [
        text[mark.start() : end] for mark, end in zip(marks, ends, strict=False) if mark.group(1)
    ]
    return messages or [raw]
