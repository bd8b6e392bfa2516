"""The two databases as one: which are given, which are ours, and who may start them."""

from __future__ import annotations

import fcntl
import os
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from pydantic import SecretStr

from medflow import endpoints
from medflow.embedded import mongodb, redis
from medflow.embedded.process import CannotStart

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from kernel.settings import Settings


@contextmanager
def claim(data_dir: Path) -> Iterator[None]:
    """Hold the data directory for as long as the block lasts.

    Raises:
        CannotStart: another process holds it, or it cannot be written.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CannotStart(
            f"Cannot write to `{data_dir}`: {error.strerror}. Set `MEDFLOW_DATA_DIR`."
        ) from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(lock, 20).decode("ascii", "replace").strip()
            raise CannotStart(
                f"`{data_dir}` is in use by another MedFlow, process `{holder}`. Stop it, or set"
                " `MEDFLOW_DATA_DIR` to another directory."
            ) from None
        os.truncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(lock)


def at(settings: Settings, mongodb_uri: str, redis_url: str) -> Settings:
    """Return the settings with these databases in them."""
    return settings.model_copy(
        update={"mongodb_uri": SecretStr(mongodb_uri), "redis_url": SecretStr(redis_url)}
    )


@asynccontextmanager
async def within_reach(settings: Settings) -> AsyncIterator[Settings]:
    """Give settings whose databases answer, for a command beside or without a running server.

    They are those that are set, else those of the server that runs on the data directory, else our
    own, which run for as long as the block lasts.

    Raises:
        CannotStart: they are neither set nor running, and cannot be started.
    """
    running = endpoints.read(settings.data_dir)
    uri, url = settings.mongodb_uri.get_secret_value(), settings.redis_url.get_secret_value()
    if running is not None:
        uri, url = uri or running["mongodb"]["url"], url or running["redis"]["url"]
    async with AsyncExitStack() as stack:
        if not (uri and url):
            stack.enter_context(claim(settings.data_dir))
        if not uri:
            uri = await stack.enter_async_context(mongodb.running(settings.data_dir / "mongodb"))
        if not url:
            url = await stack.enter_async_context(redis.running(settings.data_dir / "redis"))
        yield at(settings, uri, url)
