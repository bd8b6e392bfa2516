"""A process that is kept alive: started, watched, and started again when it dies."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from kernel import clock, log
from medflow.embedded.process import CannotStart, launch, stop
from medflow.endpoints import Address

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Mapping

LOG: Final = log.get("medflow.child")

PAUSES_S: Final = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0)
STEADY_S: Final = 60.0
"""After this long a process counts as well again, and its next restart comes at once."""
READY_S: Final = 60.0


class Program(Protocol):
    """Something that can be started again and again, in the same place."""

    @property
    def name(self) -> str: ...

    async def start(self) -> Process:
        """Return the process once it accepts; raise CannotStart if it does not."""
        ...


@dataclass(slots=True)
class Child:
    """A program and its process; `state` is `starting`, `ready` or `restarting`."""

    program: Program
    process: Process | None = None
    state: str = "starting"
    since: int = 0  # milliseconds since the epoch
    restarts: int = 0

    async def start(self) -> None:
        self.process = await self.program.start()
        self.state, self.since = "ready", clock.now()

    async def keep(self) -> None:
        """Start the process again whenever it dies, until cancelled."""
        failures = 0
        while self.process is not None:
            status = await self.process.wait()
            name = self.program.name
            LOG.warning("child.died", child=name, pid=self.process.pid, status=status)
            self.state = "restarting"
            steady = clock.now() - self.since > STEADY_S * 1000
            failures = await self._revive(0 if steady else failures)

    async def _revive(self, failures: int) -> int:
        """Return how often in a row it has died, this time and those before, once it lives."""
        while True:
            await asyncio.sleep(PAUSES_S[min(failures, len(PAUSES_S) - 1)])
            failures += 1
            try:
                await self.start()
            except CannotStart as error:
                LOG.warning("child.refused", child=self.program.name, reason=str(error))
                continue
            self.restarts += 1
            LOG.info("child.restarted", child=self.program.name, restarts=self.restarts)
            return failures

    async def stop(self) -> None:
        if self.process is not None:
            await stop(self.process)


@dataclass(slots=True)
class RoleProgram:
    """A role in a Python process; once it has a port, it keeps it over restarts."""

    name: str
    setting: str  # the group of settings with its port; empty if it listens nowhere
    environ: Mapping[str, str]
    address: Address | None = field(default=None)

    async def start(self) -> Process:
        environ = dict(self.environ)
        if self.address is not None:
            environ[f"MEDFLOW_{self.setting.upper()}__PORT"] = str(self.address.port)
        ours, theirs = os.pipe()
        try:
            process = await launch(
                [sys.executable, "-m", "medflow", "role", self.name, "--announce", str(theirs)],
                env=environ,
                fds=(theirs,),
            )
        finally:
            os.close(theirs)
        try:
            told = json.loads(await _line(ours) or "{}")
        except TimeoutError:
            told = {"error": f"Role `{self.name}` was not ready within {READY_S:.0f} seconds."}
        except asyncio.CancelledError:
            await stop(process)
            raise
        if "port" not in told:
            await stop(process)
            raise CannotStart(
                told.get("error")
                or f"Role `{self.name}` ended with status `{process.returncode}`; see the log."
            )
        if told["port"]:
            self.address = Address(told["host"], told["port"])
        return process


async def _line(fd: int) -> bytes:
    """Return the one line that comes through a pipe, or nothing if the other side hangs up."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(fd, "rb", 0)
    )
    try:
        return await asyncio.wait_for(reader.readline(), READY_S)
    finally:
        transport.close()
