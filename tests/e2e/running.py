"""A real `medflow serve` as a process, on free ports and a data directory of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DEADLINE_S = 60.0


@dataclass(frozen=True, slots=True)
class Server:
    """The process; its output is in `said` and `log` in the data directory."""

    process: subprocess.Popen[bytes]
    data_dir: Path

    @property
    def endpoints(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.data_dir / "endpoints.json").read_text())
        return found

    @property
    def said(self) -> str:
        return (self.data_dir / "said").read_text()

    @property
    def log(self) -> str:
        return (self.data_dir / "log").read_text()

    def stop(self) -> int:
        """Ask it to stop; return its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE_S)


def environ(data_dir: Path, **settings: str) -> dict[str, str]:
    """Return the environment of a MedFlow on `data_dir`, without the settings of whoever tests."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MEDFLOW_")}
    ports = {f"MEDFLOW_{name}__PORT": "0" for name in ("HTTP", "HL7", "DICOM")}
    mine = {"MEDFLOW_DATA_DIR": str(data_dir), "MEDFLOW_AUTH__MODE": "open"}
    return {**clean, **ports, **mine, **settings}


def spawn(data_dir: Path, *options: str, **settings: str) -> Server:
    """Start it and return at once."""
    with (data_dir / "said").open("wb") as said, (data_dir / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "medflow", "serve", *options],
            env=environ(data_dir, **settings),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=log,
            start_new_session=True,
        )
    return Server(process, data_dir)


def start(data_dir: Path, *options: str, **settings: str) -> Server:
    """Start it and return once it is ready."""
    server = spawn(data_dir, *options, **settings)
    until(
        lambda: server.process.poll() is not None or server.endpoints["pid"] == server.process.pid
    )
    assert server.process.poll() is None, f"It ended with {server.process.poll()}:\n{server.log}"
    return server


def medflow(
    data_dir: Path,
    *arguments: str,
    given: bytes = b"",
    settings: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "medflow", *arguments],
        env=environ(data_dir, **(settings or {})),
        input=given,
        capture_output=True,
        timeout=DEADLINE_S,
        check=False,
    )


def until(condition: Callable[[], Any], deadline_s: float = DEADLINE_S) -> Any:
    """Return what `condition` returns once that is true; exceptions count as not yet."""
    began, last = time.monotonic(), ""
    while time.monotonic() - began < deadline_s:
        try:
            if found := condition():
                return found
            last = ""
        except (AssertionError, OSError, ValueError, KeyError) as error:
            last = repr(error)
        time.sleep(0.05)
    raise AssertionError(f"Not so within {deadline_s:g} s. {last}")


def tree(pid: int) -> dict[int, str]:
    """Return the command lines of all descendants of a process, by process id. proc(5)."""
    commands, parents = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                status = (entry / "stat").read_text().rpartition(")")[2].split()
                commands[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")
            except OSError:
                continue
            parents[int(entry.name)] = int(status[1])
    return {child: commands[child] for child in _below(pid, parents)}


def _below(pid: int, parents: Mapping[int, int]) -> list[int]:
    children = [child for child, parent in parents.items() if parent == pid]
    return children + [each for child in children for each in _below(child, parents)]
