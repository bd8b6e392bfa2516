"""The text of search values: separators and how they are escaped.

https://hl7.org/fhir/R4/search.html#escaping
"""

from __future__ import annotations

import re
from typing import Final

_ESCAPE: Final = re.compile(r"\\([,|$\\])")


def split(text: str, separator: str) -> list[str]:
    """Return the parts of a text between separators that are not escaped; escapes stay."""
    if separator not in text:
        return [text]
    parts, start, at = [], 0, 0
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == separator:
            parts.append(text[start:at])
            start = at + 1
        at += 1
    return [*parts, text[start:]]


def unescape(text: str) -> str:
    """Return a text with escaped separators and backslashes replaced by what they stand for."""
    return _ESCAPE.sub(r"\1", text) if "\\" in text else text


def is_text(value: str) -> bool:
    """Return whether a value can be stored and compared: no NUL, no lone surrogates."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return "\x00" not in value
