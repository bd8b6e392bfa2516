"""Processes of our own: started with us, stopped with us, never left behind."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, STDOUT, Process
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

LAUNCH: Final = str(Path(__file__).with_name("launch.py"))


class CannotStart(Exception):
    """A part of MedFlow does not start; the text says why and what would help."""


async def launch(
    command: Sequence[str],
    *,
    output: Path | None = None,
    env: Mapping[str, str] | None = None,
    fds: Sequence[int] = (),
) -> Process:
    """Start a program that gets SIGTERM when we die, and no Ctrl-C from our terminal.

    `output` takes its stdout and stderr, emptied first; without it they are ours.
    """
    arguments = (sys.executable, "-I", "-S", LAUNCH, str(os.getpid()), *command)
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600) if output else None
    try:
        return await asyncio.create_subprocess_exec(
            *arguments,
            stdin=DEVNULL,
            stdout=file,
            stderr=file and STDOUT,
            env=None if env is None else dict(env),
            pass_fds=tuple(fds),
            start_new_session=True,
        )
    finally:
        if file is not None:
            os.close(file)


async def stop(process: Process, patience_s: float = 30.0) -> None:
    """Ask a process to stop, and kill it if it does not within `patience_s`."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), patience_s)
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
    await process.wait()


async def clear(pid: int, ours: Callable[[list[str]], bool], patience_s: float = 15.0) -> None:
    """Return once process `pid`, left over from an earlier run, is gone.

    It is given time to end by itself, then asked, then killed; unless its command line is not
    `ours`, because the number may have gone to somebody else since.
    """
    for step, wait_s in ((0, patience_s / 5), (signal.SIGTERM, patience_s), (signal.SIGKILL, 5.0)):
        if not ours(_command(pid)):
            return
        with suppress(ProcessLookupError):
            os.kill(pid, step)
        if await _ended(pid, ours, wait_s):
            return
    raise CannotStart(f"Process `{pid}` of an earlier run does not end; end it and try again.")


async def accepting(
    process: Process, probe: Callable[[], Awaitable[bool]], patience_s: float = 60.0
) -> bool:
    """Return True once `probe` does, False if the process ends or `patience_s` pass first.

    A process whose start is cancelled is stopped.
    """
    deadline = asyncio.get_running_loop().time() + patience_s
    try:
        while process.returncode is None and asyncio.get_running_loop().time() < deadline:
            if await probe():
                return process.returncode is None
            await asyncio.sleep(0.02)
    except asyncio.CancelledError:
        await stop(process)
        raise
    return False


def free_port(host: str = "127.0.0.1", preferred: int = 0) -> int:
    """Return `preferred` if nobody listens there, else a port that is free now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, preferred))
        except OSError:
            if not preferred:
                raise
            return free_port(host)
        port: int = probe.getsockname()[1]
        return port


def rotate(log: Path, most_bytes: int = 16 << 20) -> None:
    """Set a log that has grown past `most_bytes` aside as `NAME.1`, replacing the one before."""
    if log.exists() and log.stat().st_size > most_bytes:
        log.replace(log.with_name(f"{log.name}.1"))


def last_line(log: Path) -> str:
    """Return the last line of a log that says something, or an empty string."""
    if not log.exists():
        return ""
    lines = log.read_text("utf-8", "replace")[-4000:].splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


async def _ended(pid: int, ours: Callable[[list[str]], bool], patience_s: float) -> bool:
    deadline = asyncio.get_running_loop().time() + patience_s
    for pause_s in itertools.repeat(0.05):
        if not ours(_command(pid)):
            return True
        if asyncio.get_running_loop().time() > deadline:
            break
        await asyncio.sleep(pause_s)
    return False


def _command(pid: int) -> list[str]:
    """Return the command line of a process; empty if it is gone or a zombie. proc(5)."""
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return []
    return [part.decode("utf-8", "replace") for part in raw.split(b"\0") if part]
