"""Lines and columns of a body, for JSON pointers into it.

https://www.rfc-editor.org/rfc/rfc6901
"""

from __future__ import annotations

import re
from array import array
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import msgspec

from kernel.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from kernel.errors import Issue

LONGEST: Final = 4 << 20
"""Bytes of a body whose lines are told: nobody looks them up in a longer one."""

_SPACE: Final = re.compile(rb"[\s,]*")
_NAME: Final = re.compile(rb'[\s,]*("(?:[^"\\]|\\.)*")\s*:\s*', re.DOTALL)
_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ITEMS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_STRING: Final = msgspec.json.Decoder(str)

Steps = tuple[str, ...]


def placed(issues: Iterable[Issue], body: bytes) -> list[Issue]:
    """Return the issues with the line and column of what their pointers name in the body.

    What is missing is placed where it belongs: at the object that lacks it.
    """
    found = list(issues)
    if len(body) > LONGEST:
        return found
    spans = _Spans(body.removeprefix(b"\xef\xbb\xbf"))
    return [
        replace(issue, line=line, column=column)
        for issue in found
        for line, column in [spans.position(issue.pointer)]
    ]


@contextmanager
def lines(body: object) -> Iterator[None]:
    """Place what is refused inside in the body, if that is what the caller sent: bytes."""
    try:
        yield
    except Invalid as error:
        if not isinstance(body, bytes) or not any(issue.pointer for issue in error.issues):
            raise
        found = zip(error.issues, placed(error.issues, body), strict=True)
        issues = [there if issue.pointer else issue for issue, there in found]
        raise type(error)(str(error), issues=issues) from None


class _Spans:
    """Where values begin and end. Each level is split once, at the speed of the JSON decoder."""

    __slots__ = ("_body", "_counted", "_items", "_members")

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._members = cache(self._split_object)
        self._items = cache(self._split_array)
        self._counted = cache(self._count)

    def position(self, pointer: str) -> tuple[int, int]:
        start, end = _after(_SPACE, self._body, 0), len(self._body)
        for step in steps(pointer):
            inner = self._inner(start, end, step)
            if inner is None:
                break
            start, end = inner
        return self._counted(start)

    def _count(self, start: int) -> tuple[int, int]:
        line_start = self._body.rfind(b"\n", 0, start) + 1
        column = len(self._body[line_start:start].decode("utf-8", "replace")) + 1
        return self._body.count(b"\n", 0, start) + 1, column

    def _inner(self, start: int, end: int, step: str) -> tuple[int, int] | None:
        opening = self._body[start : start + 1]
        if opening == b"{":
            return self._members(start, end).get(step)
        if opening != b"[" or not step.isdecimal():
            return None
        starts, ends = self._items(start, end)
        index = int(step)
        return (starts[index], ends[index]) if index < len(starts) else None

    def _split_object(self, start: int, end: int) -> dict[str, tuple[int, int]]:
        found: dict[str, tuple[int, int]] = {}
        at = start + 1
        for raw in _MEMBERS.decode(self._body[start:end]).values():
            name = _NAME.match(self._body, at)
            if name is None:  # a name that is given twice: the body is refused for it elsewhere
                break
            at = name.end() + len(memoryview(raw))
            found[_STRING.decode(name[1])] = (name.end(), at)
        return found

    def _split_array(self, start: int, end: int) -> tuple[array[int], array[int]]:
        starts, ends = array("Q"), array("Q")
        at = start + 1
        for raw in _ITEMS.decode(self._body[start:end]):
            at = _after(_SPACE, self._body, at)
            starts.append(at)
            at += len(memoryview(raw))
            ends.append(at)
        return starts, ends


def steps(pointer: str) -> Sequence[str]:
    """Return the names and indexes of a JSON pointer."""
    parts = pointer.split("/")[1:]
    return [part.replace("~1", "/").replace("~0", "~") for part in parts]


def _after(pattern: re.Pattern[bytes], text: bytes, at: int) -> int:
    found: Any = pattern.match(text, at)
    return int(found.end())
