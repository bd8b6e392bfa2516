"""Which characters a message is written in: MSH-18, else what the bytes say.

HL7 v2.5.1 §2.15.9.18, table 0211.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from hl7_listener.conceptmap import table

_BOM: Final = b"\xef\xbb\xbf"
_LINE: Final = re.compile(rb"[\r\n]")


@dataclass(frozen=True, slots=True)
class Text:
    """Decoded text, the Python codec that its answer is written in, and what was odd."""

    text: str
    codec: str
    finding: str = ""


def decode(raw: bytes, fallback: str) -> Text:
    """Return the text of a message; no byte sequence is refused.

    A declared character set counts if the bytes agree with it; else strict UTF-8 is tried, then
    the listener's `fallback`, then Latin-1, which has a character for every byte.
    """
    raw = raw.removeprefix(_BOM)
    declared = _declared(raw)
    codec = table("charset").code(declared.upper()) if declared else None
    for candidate in filter(None, (codec, "utf-8", fallback)):
        try:
            text = raw.decode(candidate)
        except (UnicodeDecodeError, LookupError):
            continue
        odd = bool(declared) and candidate != codec
        return Text(text, candidate, f"MSH-18 does not fit; read as {candidate}" if odd else "")
    return Text(raw.decode("latin-1"), "latin-1", "MSH-18 does not fit; read as latin-1")


def _declared(raw: bytes) -> str:
    """Return the first repetition of MSH-18; headers are ASCII in every supported set."""
    start = raw.find(b"MSH")
    if start < 0:
        return ""
    header = _LINE.split(raw[start : start + 4096], maxsplit=1)[0].decode("latin-1")
    fields = header.split(header[3:4] or "|")
    repetition = header[5:6] or "~"
    return fields[17].split(repetition)[0].strip() if len(fields) > 17 else ""
