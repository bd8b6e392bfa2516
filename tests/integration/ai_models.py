"""Models that misbehave, each in one way, for the tests of the worker (docs/ai.md)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ai_adapters.adapter import Finding, Model, Reader, Study

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SECRET: Final = "Xanthippe Quodlibet"


class By:
    """Reads a study by calling a function."""

    def __init__(self, read: Callable[[Study], Sequence[Finding]]) -> None:
        self.read = read


def _model(name: str, load: Callable[[], Reader], *, needs_pixels: bool = False) -> Model:
    return Model(name, "1", load, "Tests", "Misbehaves.", "none", needs_pixels=needs_pixels)


def _crash(_: Study) -> Sequence[Finding]:
    os.abort()


def _crash_once(study: Study) -> Sequence[Finding]:
    been_here = marker(study.uid)
    if not been_here.exists():
        been_here.touch()
        os.kill(os.getpid(), signal.SIGSEGV)
    return (Finding("Second time lucky."),)


def marker(uid: str) -> Path:
    """Return the file by which the model that crashes once remembers that it did."""
    return Path(tempfile.gettempdir()) / f"medflow-test-crashed-{uid}"


def _hang(study: Study) -> Sequence[Finding]:
    subprocess.Popen(["sleep", study.uid])
    signal.pause()
    return ()


def _wait(_: Study) -> Sequence[Finding]:
    signal.pause()
    return ()


def _raise(_: Study) -> Sequence[Finding]:
    raise RuntimeError(SECRET)


def _chatter(study: Study) -> Sequence[Finding]:
    print(SECRET)
    print(SECRET, file=sys.stderr)
    os.write(1, SECRET.encode())
    return (Finding(f"Read {len(study.instances)} instances as process {os.getpid()}."),)


def _nonsense(_: Study) -> Sequence[Finding]:
    return (Finding("Sure.", confidence=7.0),)


def _bad_string(_: Study) -> Sequence[Finding]:
    return (Finding("Bell \x07 rings."),)


def _many(study: Study) -> Sequence[Finding]:
    # Fewer findings the more it sees, so that some go away when a study grows.
    return [Finding(f"Finding {n}.", confidence=0.5) for n in range(4 - len(study.instances))]


def _see(study: Study) -> Sequence[Finding]:
    return [Finding(f"Mean {frame.mean():.1f} of {frame.shape}.") for frame in study.frames]


def _environment(_: Study) -> Sequence[Finding]:
    return (Finding(" ".join(["Sees:", *(n for n in os.environ if n.startswith("MEDFLOW_"))])),)


def load_crash() -> Reader:
    return By(_crash)


def load_crash_once() -> Reader:
    return By(_crash_once)


def load_hang() -> Reader:
    return By(_hang)


def load_wait() -> Reader:
    return By(_wait)


def load_raise() -> Reader:
    return By(_raise)


def load_chatter() -> Reader:
    return By(_chatter)


def load_nonsense() -> Reader:
    return By(_nonsense)


def load_bad_string() -> Reader:
    return By(_bad_string)


def load_many() -> Reader:
    return By(_many)


def load_see() -> Reader:
    return By(_see)


def load_environment() -> Reader:
    return By(_environment)


def load_fails() -> Reader:
    raise ImportError(SECRET)


CRASH = _model("crash", load_crash)
CRASH_ONCE = _model("crash-once", load_crash_once)
HANG = _model("hang", load_hang)
WAIT = _model("wait", load_wait)
RAISE = _model("raise", load_raise)
CHATTER = _model("chatter", load_chatter)
NONSENSE = _model("nonsense", load_nonsense)
BAD_STRING = _model("bad-string", load_bad_string)
MANY = _model("many", load_many)
SEE = _model("see", load_see, needs_pixels=True)
ENVIRONMENT = _model("environment", load_environment)
FAILS = _model("fails", load_fails)
