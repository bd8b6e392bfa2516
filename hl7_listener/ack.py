"""Acknowledgements: MSH, MSA, and an ERR per fault.

HL7 v2.5.1 §2.9.2 (original mode), §2.9.3 (enhanced mode), §2.15.8 (MSA), §2.15.5 (ERR).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from hl7_listener.conceptmap import table
from hl7_listener.er7 import Delimiters, Segment, escape
from hl7_listener.faults import CONDITIONS, Fault
from kernel import ids

if TYPE_CHECKING:
    from hl7_listener.er7 import Message

NAME: Final = "MEDFLOW"
_VERSION: Final = re.compile(r"2\.\d(\.\d)?")
_EVENT: Final = re.compile(r"[A-Z][A-Z0-9]{2}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_LONGEST: Final = 250  # characters echoed of any field of the sender
_MOST: Final = 20  # ERR segments in one answer
_CONDITIONS: Final = frozenset({"AL", "NE", "ER", "SU"})
_ACCEPT: Final = {"AA": "CA", "AE": "CE", "AR": "CR"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said about a message: `code` is AA, AE or AR."""

    code: str
    faults: Sequence[Fault] = ()


def application(header: Segment | None, verdict: Verdict, at: int, codec: str = "utf-8") -> bytes:
    """Return the answer AA, AE or AR; `header` is the sender's MSH, if one could be read."""
    return _build(header, verdict.code, verdict.faults, at, codec)


def answers(message: Message, verdict: Verdict, at: int, codec: str) -> tuple[bytes, ...]:
    """Return what the sender wants to hear, by MSH-15 and MSH-16 (table 0155)."""
    header = message.header
    accept, applied = _condition(header, 15), _condition(header, 16)
    if not enhanced(message):
        return (application(header, verdict, at, codec),)
    found = []
    if _wanted(accept or "NE", verdict.code):
        found.append(_build(header, _ACCEPT[verdict.code], verdict.faults, at, codec))
    if _wanted(applied or "NE", verdict.code):
        found.append(application(header, verdict, at, codec))
    return tuple(found)


def enhanced(message: Message) -> bool:
    """Whether MSH-15 or MSH-16 asks for enhanced mode; what is not in table 0155 does not."""
    return bool(_condition(message.header, 15) or _condition(message.header, 16))


def _condition(header: Segment, number: int) -> str:
    given = header.text(number).upper()
    return given if given in _CONDITIONS else ""


def _wanted(condition: str, code: str) -> bool:
    if condition == "NE":
        return False
    if condition == "ER":
        return code != "AA"
    return code == "AA" if condition == "SU" else True


def _build(
    header: Segment | None, code: str, faults: Sequence[Fault], at: int, codec: str
) -> bytes:
    marks = header.delimiters if header else Delimiters()
    version = _echo(header, 12)
    lines = [_header(header, marks, at)]
    old = header is not None and _VERSION.fullmatch(version) is not None and version < "2.5"
    shown = faults[:_MOST]
    text = escape(shown[0].text, marks) if shown and old else ""
    lines.append(["MSA", code, _echo(header, 10), text])
    lines += [_old_error(fault, marks) if old else _error(fault, marks) for fault in shown]
    return "".join(f"{marks.field.join(line).rstrip(marks.field)}\r" for line in lines).encode(
        codec, "replace"
    )


def _header(header: Segment | None, marks: Delimiters, at: int) -> list[str]:
    moment = datetime.fromtimestamp(at / 1000, UTC)
    event = header.text(9, 2) if header else ""
    version = _echo(header, 12)
    kind = ["ACK", event, "ACK"] if _EVENT.fullmatch(event) else ["ACK"]
    charset = header.text(18) if header else ""
    known = table("charset").code(charset.upper()) is not None
    return [
        "MSH",
        marks.encoding,
        _echo(header, 5) or NAME,
        _echo(header, 6) or NAME,
        _echo(header, 3),
        _echo(header, 4),
        f"{moment:%Y%m%d%H%M%S}+0000",
        "",
        (marks.component or "^").join(kind),
        ids.new().replace("-", "")[:20],
        _echo(header, 11) or "P",
        version if version and _VERSION.match(version) else "2.5.1",
        *([""] * 5),
        charset if known else "",
    ]


def _echo(header: Segment | None, number: int) -> str:
    """Return a field as it was sent, of a length and of characters that cannot break the answer."""
    return _CONTROL.sub("", header.raw(number))[:_LONGEST] if header else ""


def _error(fault: Fault, marks: Delimiters) -> list[str]:
    """ERR of v2.5 and later: ERR-2 location, ERR-3 code, ERR-4 severity, ERR-8 text."""
    place = [fault.segment, str(fault.sequence), str(fault.field or "")] if fault.segment else []
    code = [fault.code, CONDITIONS[fault.code], "HL70357"]
    mark = marks.component
    return [
        "ERR",
        "",
        mark.join(place).rstrip(mark or None),
        mark.join(code) if mark else fault.code,
        "E",
        "",
        "",
        "",
        escape(fault.text, marks),
    ]


def _old_error(fault: Fault, marks: Delimiters) -> list[str]:
    """ERR of v2.4 and before: ERR-1 holds place and code."""
    inner = marks.subcomponent
    code = inner.join([fault.code, CONDITIONS[fault.code], "HL70357"]) if inner else fault.code
    place = [fault.segment, str(fault.sequence) if fault.segment else "", str(fault.field or "")]
    return ["ERR", marks.component.join([*place, code]) if marks.component else code]
