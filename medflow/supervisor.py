"""`medflow serve`: the databases and one process a role, started, watched and stopped together.

docs/install.md, Processes.
"""

from __future__ import annotations

import asyncio
import os
import signal
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from kernel import log
from kernel.tasks import stop as stop_tasks
from medflow import endpoints, heartbeat
from medflow.child import Child, RoleProgram
from medflow.embedded import mongodb, redis
from medflow.embedded.databases import at, claim
from medflow.firstrun import first_run
from medflow.greeting import greeting
from medflow.roles.process import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Sequence

    from kernel.settings import Settings

LOG: Final = log.get("medflow.supervisor")


async def serve(settings: Settings, roles: Sequence[str], tell: Callable[[str], None]) -> None:
    """Run until SIGTERM or Ctrl-C; `tell` takes what a person should read.

    Raises:
        CannotStart: a part did not start; what had started is stopped again.
    """
    stopping = asyncio.Event()

    def stop(number: signal.Signals) -> None:
        LOG.info("server.stop", signal=number.name)
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop, number)
    with claim(settings.data_dir):
        endpoints.remove(settings.data_dir)  # of a run that was killed
        run = Run(settings, roles)
        work = asyncio.create_task(run.work(tell))
        halt = asyncio.create_task(stopping.wait())
        await asyncio.wait({work, halt}, return_when=asyncio.FIRST_COMPLETED)
        failed = work.done()
        await stop_tasks(halt, work)
        endpoints.remove(settings.data_dir)
        await run.stop()
        if failed:
            work.result()


@dataclass(slots=True)
class Run:
    """One start of everything; `id` tells its processes from those of another start."""

    settings: Settings
    names: Sequence[str]
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    databases: list[Child] = field(default_factory=list)
    roles: dict[str, Child] = field(default_factory=dict)
    listing: dict[str, Any] = field(default_factory=dict)

    async def work(self, tell: Callable[[str], None]) -> None:
        """Start everything, say so, and keep it alive until cancelled."""
        settings = await self._start_databases()
        demo = await first_run(settings)
        programs = [
            RoleProgram(name, SETTINGS[name], self._environ(settings)) for name in self.names
        ]
        self.roles = {program.name: Child(program) for program in programs}
        async with Redis.from_url(settings.redis_url.get_secret_value()) as client:
            publishing = asyncio.create_task(self._keep_publishing(client))
            try:
                await _all(child.start() for child in self.roles.values())
                await self._ready(settings, programs, client)
                tell(greeting(self.listing, settings.auth.mode, demo))
                await _all(child.keep() for child in (*self.databases, *self.roles.values()))
            finally:
                await stop_tasks(publishing)

    async def _ready(
        self, settings: Settings, programs: Sequence[RoleProgram], client: Redis
    ) -> None:
        """Tell the roles first, so that `/health` is right when somebody reads the file."""
        self.listing = endpoints.document(
            settings,
            {program.name: program.address for program in programs if program.address},
            settings.mongodb_uri.get_secret_value(),
            settings.redis_url.get_secret_value(),
        )
        await self._publish(client)
        endpoints.write(settings.data_dir, self.listing)
        LOG.info("server.ready", roles=list(self.names), pid=os.getpid())

    async def stop(self) -> None:
        """Stop the roles, then the databases that they need until their end."""
        await asyncio.gather(*(child.stop() for child in self.roles.values()))
        await asyncio.gather(*(child.stop() for child in self.databases))
        LOG.info("server.stopped", pid=os.getpid())

    async def _start_databases(self) -> Settings:
        """Start the databases that are not given; return settings that have both."""
        uri = self.settings.mongodb_uri.get_secret_value()
        url = self.settings.redis_url.get_secret_value()
        if not uri:
            mongod = mongodb.embedded(self.settings.data_dir / "mongodb")
            uri = mongod.uri
            self.databases.append(Child(mongod))
        if not url:
            server = redis.embedded(self.settings.data_dir / "redis")
            url = server.url
            self.databases.append(Child(server))
        await _all(child.start() for child in self.databases)
        return at(self.settings, uri, url)

    def _environ(self, settings: Settings) -> dict[str, str]:
        """Return the environment of the roles: ours, and where the databases are."""
        return {
            **os.environ,
            "MEDFLOW_RUN": self.id,
            "MEDFLOW_MONGODB_URI": settings.mongodb_uri.get_secret_value(),
            "MEDFLOW_REDIS_URL": settings.redis_url.get_secret_value(),
        }

    async def _keep_publishing(self, client: Redis) -> None:
        while True:
            await self._publish(client)
            await asyncio.sleep(heartbeat.PAUSE_S / 2)

    async def _publish(self, client: Redis) -> None:
        """Tell the roles, and whoever asks for `/health`, how each of them is."""
        roles = {
            name: {"state": child.state, "restarts": child.restarts, "since": child.since}
            for name, child in self.roles.items()
        }
        state = {"endpoints": self.listing, "roles": roles}
        try:
            await heartbeat.publish(client, self.id, state)
        except (RedisError, OSError) as error:
            LOG.warning("state.unheard", reason=type(error).__name__)


async def _all(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Do everything at once; when one part fails, abandon the others and raise what it raised."""
    tasks = [asyncio.create_task(part) for part in work]
    if not tasks:
        return
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        unfinished = [task for task in tasks if not task.done()]
        await stop_tasks(*unfinished)
    for task in tasks:
        if task not in unfinished:
            task.result()
