"""What goes over the pipe between the runner and a worker process, both ways.

A message is a length (4 bytes, big-endian), that many bytes of JSON (RFC 8259) and, for a study,
its frames: rows by columns by 3 bytes each, in the order of `shapes`. Nothing is unpickled, and
what a model answers is checked like any other foreign input.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from ai_adapters.adapter import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ai_adapters.adapter import Study

LENGTH: Final = struct.Struct(">I")
MAX_ANSWER: Final = 4 << 20  # bytes
MAX_FINDINGS: Final = 100


class Unfit(Exception):
    """A frame or an answer breaks the rules of the seam. The text quotes neither."""


class Hello(msgspec.Struct, frozen=True):
    """The first message: the function that loads the model, and where modules are found."""

    load: str  # "module:function"
    path: tuple[str, ...]


class Ask(msgspec.Struct, frozen=True):
    """A study to read; its frames follow."""

    id: str
    uid: str
    modalities: tuple[str, ...]
    instances: tuple[str, ...]
    shapes: tuple[tuple[int, int], ...]  # rows, columns


class Coding(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A Coding as a model may give it."""

    system: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
    code: Annotated[str, msgspec.Meta(pattern=r"^[^\s]+(\s[^\s]+)*$", max_length=200)]
    display: Annotated[str, msgspec.Meta(max_length=500)] = ""


class Said(msgspec.Struct, frozen=True):
    """A finding as a model may give it."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=20_000)]
    code: Coding | None = None
    confidence: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None


class Answer(msgspec.Struct, frozen=True):
    """Findings; or the type and the frames of an exception, whose text may quote the patient."""

    findings: Annotated[tuple[Said, ...], msgspec.Meta(max_length=MAX_FINDINGS)] = ()
    exception: Annotated[str, msgspec.Meta(max_length=200)] = ""
    frames: tuple[str, ...] = ()


def message(content: msgspec.Struct) -> bytes:
    """Return a message, without the frames that may follow it."""
    body = msgspec.json.encode(content)
    return LENGTH.pack(len(body)) + body


def ask(study: Study) -> Iterator[bytes]:
    """Yield the bytes that ask for a study to be read.

    Raises:
        Unfit: a frame has another shape or type than the seam says.
    """
    for frame in study.frames:
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype.name != "uint8":
            raise Unfit(
                f"A frame is `{frame.dtype.name}{list(frame.shape)}`; (rows, columns, 3) of uint8"
                " is right."
            )
    shapes = tuple((frame.shape[0], frame.shape[1]) for frame in study.frames)
    modalities = tuple(sorted(study.modalities))
    yield message(Ask(study.id, study.uid, modalities, study.instances, shapes))
    for frame in study.frames:
        yield frame.tobytes()


def said(findings: Sequence[Finding]) -> Answer:
    """Return the answer that carries these findings."""
    return Answer(tuple(Said(f.text, _coding(f), f.confidence) for f in findings))


def _coding(finding: Finding) -> Coding | None:
    return None if finding.code is None else msgspec.convert(dict(finding.code), Coding)


def findings(answer: Answer) -> tuple[Finding, ...]:
    """Return the findings of an answer, their text trimmed to what a FHIR string may hold.

    Raises:
        Unfit: a finding says nothing.
    """
    return tuple(_finding(each) for each in answer.findings)


def _finding(each: Said) -> Finding:
    text = each.text.strip()
    if not text:
        raise Unfit("A finding has an empty text; a sentence is right.")
    code = None if each.code is None else msgspec.to_builtins(each.code)
    return Finding(text, code, each.confidence)
