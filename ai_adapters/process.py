"""The worker process: loads one model and reads the studies that come over standard input.

Started by `ai_adapters.worker` as `python -m ai_adapters.process`; the messages are those of
`ai_adapters.wire`. What a model prints is discarded: it may quote the patient.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import signal
import sys
import traceback
from typing import TYPE_CHECKING, BinaryIO

import msgspec
import numpy as np

from ai_adapters import wire
from ai_adapters.adapter import Study

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ai_adapters.adapter import Reader


def main() -> None:
    """Load the model that the first message names, then answer one message after the other."""
    _die_with_parent()
    given = sys.stdin.buffer
    answers = _keep_standard_output()
    hello = msgspec.json.decode(_body(given), type=wire.Hello)
    sys.path[:] = hello.path
    try:
        reader = _load(hello.load)
    except Exception as error:  # noqa: BLE001  # whatever a model raises is its answer
        _send(answers, _raised(error))
        return
    _send(answers, wire.Answer())
    while body := _body(given):
        _send(answers, _read(reader, asked(body, given)))


def asked(body: bytes, frames: BinaryIO) -> Study:
    """Return the study that a message asks about; its frames are read from `frames`."""
    given = msgspec.json.decode(body, type=wire.Ask)
    return Study(
        given.id,
        given.uid,
        frozenset(given.modalities),
        given.instances,
        [_frame(rows, columns, frames) for rows, columns in given.shapes],
    )


def _frame(rows: int, columns: int, frames: BinaryIO) -> NDArray[np.uint8]:
    return np.frombuffer(frames.read(rows * columns * 3), np.uint8).reshape(rows, columns, 3)


def _read(reader: Reader, study: Study) -> wire.Answer:
    try:
        return wire.said(reader.read(study))
    except Exception as error:  # noqa: BLE001  # whatever a model raises is its answer
        return _raised(error)


def _raised(error: Exception) -> wire.Answer:
    frames = traceback.extract_tb(error.__traceback__)
    named = tuple(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames)
    return wire.Answer(exception=type(error).__qualname__[:200], frames=named[-50:])


def _load(name: str) -> Reader:
    module, _, function = name.partition(":")
    reader: Reader = getattr(importlib.import_module(module), function)()
    return reader


def _body(given: BinaryIO) -> bytes:
    """Return the next message, empty at the end of input."""
    head = given.read(wire.LENGTH.size)
    return given.read(wire.LENGTH.unpack(head)[0]) if len(head) == wire.LENGTH.size else b""


def _send(answers: BinaryIO, answer: wire.Answer) -> None:
    answers.write(wire.message(answer))
    answers.flush()


def _keep_standard_output() -> BinaryIO:
    """Return the real standard output; whatever else writes to it goes nowhere."""
    kept = os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123  # a device, not a file of ours
        os.dup2(nowhere.fileno(), 1)
    return kept


def _die_with_parent() -> None:
    """Ask Linux to kill this process when its parent dies, even in the midst of a long run.

    prctl(2), PR_SET_PDEATHSIG. Elsewhere the end of standard input ends it after the run.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


if __name__ == "__main__":
    main()
