"""Small parts of running processes: ports, logs, and a child that is kept alive."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest

from medflow import child
from medflow.child import Child
from medflow.embedded.databases import claim
from medflow.embedded.process import CannotStart, free_port, last_line, rotate

if TYPE_CHECKING:
    from pathlib import Path


def test_a_preferred_port_is_taken_if_it_is_free() -> None:
    port = free_port()

    assert free_port(preferred=port) == port


def test_another_port_is_taken_if_the_preferred_one_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        assert free_port(preferred=port) not in {0, port}


def test_a_long_log_is_set_aside(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_bytes(b"12345")

    rotate(log, most_bytes=5)
    kept = log.exists()
    rotate(log, most_bytes=4)

    assert (kept, log.exists(), (tmp_path / "x.log.1").read_bytes()) == (True, False, b"12345")


def test_the_last_line_that_says_something_is_found(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_bytes(b"first\n  the reason \xff\n\n")

    assert last_line(log) == "the reason \ufffd"
    assert last_line(tmp_path / "none") == ""


def test_a_data_directory_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    with claim(tmp_path), pytest.raises(CannotStart, match="is in use"), claim(tmp_path):
        pass

    with claim(tmp_path):
        pass


class Dying:
    """A process that has died, with the two members that are looked at."""

    pid = 1

    async def wait(self) -> int:
        return 9


class Living(Dying):
    """One that does not."""

    async def wait(self) -> int:
        await asyncio.Event().wait()
        return 0


class Program:
    """Dies after its first start, cannot be started the second time, and lives from the third."""

    name = "program"

    def __init__(self) -> None:
        self.starts = 0

    async def start(self) -> asyncio.subprocess.Process:
        self.starts += 1
        if self.starts == 2:
            raise CannotStart("Not now.")
        made = Dying if self.starts == 1 else Living
        return made()  # type: ignore[return-value]  # as much of a process as is looked at


async def test_a_dead_child_is_started_until_it_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "PAUSES_S", (0.0,))
    program = Program()
    kept = Child(program)
    await kept.start()

    task = asyncio.create_task(kept.keep())
    async with asyncio.timeout(5):
        while kept.restarts == 0:
            await asyncio.sleep(0)

    task.cancel()
    assert (program.starts, kept.state) == (3, "ready")
