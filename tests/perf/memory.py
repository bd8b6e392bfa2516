"""Resident memory of processes, from proc(5).

https://man7.org/linux/man-pages/man5/proc_pid_status.5.html
"""

from __future__ import annotations

from pathlib import Path

from tests.e2e.running import tree


def web_worker(server: int) -> int:
    """Return the process id of the web role below `medflow serve`.

    Raises:
        LookupError: there is none.
    """
    for pid, command in tree(server).items():
        if "role web" in command:
            return pid
    raise LookupError(f"No web role runs below process `{server}`.")


def resident(pid: int) -> float:
    """Return the resident memory of a process, MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    size = next(line.split()[1] for line in lines if line.startswith("VmRSS:"))
    return int(size) / 1024
