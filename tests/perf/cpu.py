"""CPU time that processes have used, from proc(5): what a busy machine cannot blur.

https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Process:
    """One line of the process table. `cpu` is user and system time, seconds."""

    pid: int
    parent: int
    cpu: float


def used(roots: Collection[int]) -> float:
    """Return the CPU seconds of these processes and of all that they started and still run."""
    table = {process.pid: process for process in _table()}
    return sum(p.cpu for p in table.values() if _descends(p, roots, table))


def _descends(process: Process, roots: Collection[int], table: dict[int, Process]) -> bool:
    at: Process | None = process
    while at is not None:
        if at.pid in roots:
            return True
        at = table.get(at.parent)
    return False


def _table() -> Iterator[Process]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                text = (entry / "stat").read_text()
            except (FileNotFoundError, ProcessLookupError):  # ended in between
                continue
            # The command, in parentheses, may hold blanks and parentheses itself.
            fields = text.rpartition(")")[2].split()
            yield Process(
                int(entry.name), int(fields[1]), (int(fields[11]) + int(fields[12])) / _TICKS
            )
