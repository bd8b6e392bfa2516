"""One role as a process of its own: `medflow role NAME`, started by the supervisor or by hand."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from kernel import log, tasks
from medflow.embedded.process import CannotStart
from medflow.heartbeat import beat
from medflow.roles.role import Role
from medflow.wiring import wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis.asyncio import Redis

    from kernel.settings import Settings

LOG: Final = log.get("medflow.roles.process")

SETTINGS: Final = {"web": "http", "hl7": "hl7", "dicom": "dicom", "ai": "", "worker": ""}
"""Each role, in the order that they are shown in, with the group of settings that has its port.

Each is a module beside this one, imported only by the process that runs it.
"""


@dataclass(slots=True)
class Line:
    """The way to the supervisor: a pipe that takes one line of JSON; None if there is no one."""

    fd: int | None

    def tell(self, what: dict[str, Any]) -> bool:
        """Return whether it was told: the first time only, and if somebody listens."""
        fd, self.fd = self.fd, None
        if fd is None:
            return False
        try:
            os.write(fd, json.dumps(what).encode() + b"\n")
        except BrokenPipeError:
            return False
        finally:
            os.close(fd)
        return True


@dataclass(slots=True)
class Announcer:
    """Tells once where a role listens, and from then on that it is alive."""

    role: str
    run: str
    redis: Redis
    line: Line
    beating: asyncio.Task[None] | None = None

    def __call__(
        self,
        host: str | None = None,
        port: int | None = None,
        handled: Callable[[], int] = lambda: 0,
    ) -> None:
        LOG.info("role.ready", role=self.role, host=host, port=port, pid=os.getpid())
        self.line.tell({"host": host or "", "port": port or 0})
        self.beating = asyncio.create_task(
            beat(self.redis, self.run, self.role, host or "", port or 0, handled)
        )

    async def close(self) -> None:
        if self.beating is not None:
            await tasks.stop(self.beating)


def role(name: str) -> Role:
    """Return one role, without importing what only the others need."""
    found = getattr(import_module(f"medflow.roles.{name}"), name.upper())
    if not isinstance(found, Role):
        raise TypeError(f"`medflow.roles.{name}` has no role.")
    return found


async def main(settings: Settings, name: str, line: Line) -> str:
    """Run a role until SIGTERM or Ctrl-C; return why it ended, or an empty string if asked to."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine that runs is run by a task
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    why = await _attempt(settings, name, line)
    LOG.info("role.stopped", role=name, failed=bool(why))
    return why


async def _attempt(settings: Settings, name: str, line: Line) -> str:
    it = role(name)
    try:
        async with wire(settings, (name,)) as parts:
            announcer = Announcer(name, settings.run, parts.redis, line)
            try:
                await it.run(parts, announcer)
            finally:
                await announcer.close()
    except asyncio.CancelledError:
        return ""
    except (CannotStart, ValueError) as error:
        return str(error)
    except OSError as error:
        return cannot_listen(settings, name, error)
    except Exception as error:
        LOG.exception("role.failed", role=name)
        return f"Role `{name}` ended with `{type(error).__name__}`; the log says where."
    return f"Role `{name}` ended by itself."


def cannot_listen(settings: Settings, name: str, error: OSError) -> str:
    """Return why a role cannot have its port, in words that say what to set instead."""
    why = error.strerror or type(error).__name__
    if not SETTINGS[name]:
        return f"Role `{name}` does not start: {why}."
    group, prefix = getattr(settings, SETTINGS[name]), f"MEDFLOW_{SETTINGS[name].upper()}"
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port `{group.port}` on `{group.host}` is in use. Set `{prefix}__PORT` to another, or"
            " to 0 for a free one."
        )
    return (
        f"Role `{name}` cannot listen on `{group.host}` port `{group.port}`: {why}. Set"
        f" `{prefix}__HOST` and `{prefix}__PORT`."
    )
