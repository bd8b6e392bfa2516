"""A page of the documentation as the list of its runnable blocks.

https://spec.commonmark.org/0.31.2/#fenced-code-blocks
"""

from __future__ import annotations

import re
from dataclasses import dataclass

RUN = frozenset({"http", "hl7", "console"})
_FENCE = re.compile(r"^```(\w*)([^`\n]*)\n(.*?)^```\s*$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block. `line` is where its text begins; `words` follow the language."""

    language: str
    words: tuple[str, ...]
    line: int
    text: str


class Different(AssertionError):
    """The server said something else than the page."""


def runnable(text: str) -> list[Block]:
    """Return the blocks of a page that are to be run, in order."""
    return [block for block in _blocks(text) if block.language in RUN]


def _blocks(text: str) -> list[Block]:
    return [
        Block(found[1], tuple(found[2].split()), text.count("\n", 0, found.start(3)) + 1, found[3])
        for found in _FENCE.finditer(text)
    ]


def alike(expected: str, found: str) -> bool:
    """Compare text in which `…` stands for anything."""
    pattern = ".*?".join(re.escape(part) for part in expected.split("…"))
    return re.fullmatch(pattern, found, re.DOTALL) is not None
