"""ER7, the pipe-and-hat encoding: text to segments and fields, and back.

HL7 v2.5.1 §2.5 (message construction), §2.7 (escape sequences). Lenient in what it reads: any line
end, delimiters from the message itself, lines that are no segment continue the field before them.
Fields are split when they are asked for; what was sent is kept as it was.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from kernel.errors import BadStructure

NULL: Final = '""'
"""The HL7 null: delete what is stored."""

HEADERS: Final = frozenset({"MSH", "BHS", "FHS"})

_LINE: Final = re.compile(r"\r\n|\r|\n")
_CONTROL: Final = {code: None for code in (*range(32), 127) if chr(code) not in "\t\n"}
_PATH: Final = re.compile(
    r"([A-Z][A-Z0-9]{2})-(\d{1,3})(?:\((\d{1,4})\))?(?:\.(\d{1,3}))?(?:\.(\d{1,3}))?"
)
_TEXT: Final = {".br": "\n", ".ce": "\n", "H": "", "N": "", ".fi": "", ".nf": ""}
_SPACE: Final = re.compile(r"\.(sp|in|ti|sk)\s*([+-]?\d{0,3})")
_HEX: Final = re.compile(r"X((?:[0-9A-Fa-f]{2})+)")


@dataclass(frozen=True, slots=True)
class Delimiters:
    """MSH-1 and the characters of MSH-2; one that the sender left out is empty."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"
    truncation: str = ""

    @property
    def encoding(self) -> str:
        """MSH-2."""
        return self.component + self.repetition + self.escape + self.subcomponent + self.truncation


@dataclass(frozen=True, slots=True)
class Repetition:
    """One repetition of a field. `codec` is what hexadecimal escapes are decoded with."""

    raw: str
    delimiters: Delimiters
    codec: str = "utf-8"

    def part(self, component: int, subcomponent: int = 1) -> str:
        """Return one component, unescaped and trimmed; empty if absent or null."""
        found = _nth(self.raw, self.delimiters.component, component)
        return self._plain(_nth(found, self.delimiters.subcomponent, subcomponent))

    def component(self, number: int) -> str:
        """Return one component as sent, sub-components and escapes included."""
        return _nth(self.raw, self.delimiters.component, number)

    def sub(self, number: int) -> Repetition:
        """Return a component as if its sub-components were components."""
        inner = replace(self.delimiters, component=self.delimiters.subcomponent, subcomponent="")
        return Repetition(self.component(number), inner, self.codec)

    @property
    def components(self) -> int:
        """How many components were sent."""
        mark = self.delimiters.component
        return self.raw.count(mark) + 1 if mark else 1

    @property
    def text(self) -> str:
        """The whole repetition as text: what looks like a component separator is a character."""
        return self._plain(self.raw)

    def _plain(self, text: str) -> str:
        return "" if text == NULL else unescape(text, self.delimiters, self.codec).strip()


@dataclass(frozen=True, slots=True)
class Segment:
    """`fields[n]` is field n as it was sent; `fields[0]` is the name; MSH-1 is the separator."""

    name: str
    fields: tuple[str, ...]
    delimiters: Delimiters = Delimiters()
    codec: str = "utf-8"

    def raw(self, field: int) -> str:
        return self.fields[field] if field < len(self.fields) else ""

    def valued(self, field: int) -> bool:
        """Whether the field holds a value: neither absent nor null."""
        return self.raw(field) not in {"", NULL}

    def null(self, field: int) -> bool:
        return self.raw(field) == NULL

    def repetitions(self, field: int) -> tuple[Repetition, ...]:
        """Return the repetitions that are not empty."""
        if not self.valued(field):
            return ()
        mark = self.delimiters.repetition
        raw = self.raw(field)
        return tuple(
            Repetition(part, self.delimiters, self.codec)
            for part in (raw.split(mark) if mark else [raw])
            if part
        )

    def text(self, field: int, component: int = 1, subcomponent: int = 1) -> str:
        """Return a part of the first repetition, unescaped and trimmed."""
        found = self.repetitions(field)
        return found[0].part(component, subcomponent) if found else ""


@dataclass(frozen=True, slots=True)
class Message:
    """A parsed message; the first segment is MSH."""

    segments: tuple[Segment, ...]

    @property
    def header(self) -> Segment:
        return self.segments[0]

    def first(self, name: str) -> Segment | None:
        return next((segment for segment in self.segments if segment.name == name), None)

    def value(self, path: str) -> str:
        """Return the text at `PID-3(2).4.1`: field, repetition, component, sub-component."""
        matched = _PATH.fullmatch(path)
        if matched is None:
            raise ValueError(f"`{path}` is not a path such as `PID-3(1).4.2`.")
        name, field, repetition, component, subcomponent = matched.groups()
        segment = self.first(name)
        found = segment.repetitions(int(field)) if segment else ()
        index = int(repetition or 1) - 1
        if not 0 <= index < len(found):
            return ""
        return found[index].part(int(component or 1), int(subcomponent or 1))


def parse(text: str, codec: str = "utf-8") -> Message:
    """Return the message that `text` holds.

    Raises:
        BadStructure: it does not begin with an MSH segment that declares usable delimiters.
    """
    lines = [line for line in _LINE.split(text.lstrip("\ufeff \t\r\n")) if line.strip()]
    if not lines or not lines[0].startswith("MSH"):
        raise BadStructure("The message does not begin with an MSH segment.")
    delimiters = _delimiters(lines[0])
    start = re.compile(rf"[A-Z][A-Z0-9]{{2}}(?:{re.escape(delimiters.field)}|$)")
    joined: list[list[str]] = []
    for line in lines:
        clean = line.translate(_CONTROL)
        if start.match(clean):
            joined.append([clean])
        else:  # a line end inside a text
            joined[-1].append(clean)
    return Message(tuple(_segment("\n".join(parts), delimiters, codec) for parts in joined))


def serialise(message: Message) -> str:
    """Return the message with its own delimiters, each segment ended by CR."""
    return "".join(f"{_line(segment)}\r" for segment in message.segments)


def escape(text: str, delimiters: Delimiters = Delimiters()) -> str:
    """Return `text` with every delimiter and line end escaped."""
    mark = delimiters.escape
    if not mark:
        return _LINE.sub(" ", text)
    table = {
        mark: f"{mark}E{mark}",
        delimiters.field: f"{mark}F{mark}",
        delimiters.component: f"{mark}S{mark}",
        delimiters.repetition: f"{mark}R{mark}",
        delimiters.subcomponent: f"{mark}T{mark}",
        delimiters.truncation: f"{mark}P{mark}",
        "\n": f"{mark}.br{mark}",
    }
    return "".join(table.get(character, character) for character in _LINE.sub("\n", text))


def unescape(text: str, delimiters: Delimiters = Delimiters(), codec: str = "utf-8") -> str:
    """Return `text` with its escape sequences resolved; unknown and unfinished ones are kept."""
    mark = delimiters.escape
    if not mark or mark not in text:
        return text
    return _sequence(mark).sub(lambda found: _resolve(found, delimiters, codec), text)


@lru_cache(maxsize=32)
def _sequence(mark: str) -> re.Pattern[str]:
    quoted = re.escape(mark)
    return re.compile(f"{quoted}([^{quoted}]{{1,4096}}){quoted}")


def _resolve(found: re.Match[str], delimiters: Delimiters, codec: str) -> str:
    code = found.group(1)
    named = {
        "F": delimiters.field,
        "S": delimiters.component,
        "T": delimiters.subcomponent,
        "R": delimiters.repetition,
        "E": delimiters.escape,
        "P": delimiters.truncation,
    }
    if named.get(code):
        return named[code]
    if code in _TEXT:
        return _TEXT[code]
    spaced = _SPACE.fullmatch(code)
    if spaced:
        return _spacing(spaced.group(1), spaced.group(2))
    coded = _HEX.fullmatch(code)
    if coded:
        decoded = bytes.fromhex(coded.group(1)).decode(codec, "replace")
        return _LINE.sub("\n", decoded).translate(_CONTROL)
    return found.group(0)


def _spacing(kind: str, count: str) -> str:
    if kind == "sp":
        return "\n" * min(int(count or 1), 99) if not count.startswith("-") else ""
    if kind == "sk":
        return " " * min(int(count or 1), 99) if not count.startswith("-") else ""
    return ""


def _delimiters(header: str) -> Delimiters:
    field = header[3:4]
    if not field or field.isalnum() or field.isspace() or not field.isprintable():
        raise BadStructure(f"MSH-1 is `{field[:1]!r}`; it must be one punctuation character.")
    # A character given twice is a sender's escaping mistake: the first place counts.
    marks = list(dict.fromkeys(header[4:].partition(field)[0]))
    if not 1 <= len(marks) <= 5 or any(
        mark.isalnum() or mark.isspace() or not mark.isprintable() for mark in marks
    ):
        raise BadStructure("MSH-2 must be one to five punctuation characters, such as `^~\\&`.")
    return Delimiters(field, *(marks + [""] * 5)[:5])


def _segment(line: str, delimiters: Delimiters, codec: str) -> Segment:
    parts = line.split(delimiters.field)
    if parts[0] in HEADERS:
        parts.insert(1, delimiters.field)
    return Segment(parts[0], tuple(parts), delimiters, codec)


def _line(segment: Segment) -> str:
    mark = segment.delimiters.field
    if segment.name in HEADERS:
        return segment.name + mark + mark.join(segment.fields[2:])
    return mark.join(segment.fields)


def _nth(text: str, mark: str, number: int) -> str:
    """Return part `number`, from 1, without splitting more than needed."""
    if not mark:
        return text if number == 1 else ""
    if number == 1:
        return text.partition(mark)[0]
    parts = text.split(mark, number)
    return parts[number - 1] if len(parts) >= number else ""
