"""Signs of life: each process says every second that it is well, and what it has handled.

They are kept in Redis with a short lifetime, so that silence is noticed without anyone's help.
"""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import RedisError

from kernel import clock, log, tasks

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis.asyncio import Redis

LOG: Final = log.get("medflow.heartbeat")

LIFETIME_S: Final = 3
PAUSE_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Beat:
    """One process: where it listens (port 0: nowhere), since when, how much it has handled.

    `since` is in milliseconds since the epoch; `handled` counts requests, messages or events.
    """

    role: str
    pid: int
    host: str
    port: int
    since: int
    handled: int


async def beat(
    redis: Redis, run: str, role: str, host: str, port: int, handled: Callable[[], int]
) -> None:
    """Tell that this process is alive until cancelled; a Redis that is away is waited for."""
    since = clock.now()
    heard = True
    while True:
        tasks.checkpoint()
        now = Beat(role, os.getpid(), host, port, since, handled())
        try:
            await redis.set(f"{_prefix(run)}{role}", json.dumps(asdict(now)), ex=LIFETIME_S)
            heard = True
        except (RedisError, OSError) as error:
            if heard:
                LOG.warning("heartbeat.unheard", role=role, reason=type(error).__name__)
            heard = False
        await asyncio.sleep(PAUSE_S)


async def beats(redis: Redis, run: str) -> dict[str, Beat]:
    """Return the last sign of life of each role of `run`, by role.

    Raises:
        RedisError: Redis does not answer.
    """
    keys = [key async for key in redis.scan_iter(f"{_prefix(run)}*", count=500)]
    texts = await redis.mget(sorted(keys)) if keys else []
    found = [Beat(**json.loads(text)) for text in texts if text is not None]
    return {beat.role: beat for beat in found}


async def publish(redis: Redis, run: str, state: dict[str, Any]) -> None:
    """Tell what the supervisor knows of `run`; once it falls silent, that is forgotten."""
    await redis.set(f"medflow:run:{run}", json.dumps(state), ex=LIFETIME_S)


async def published(redis: Redis, run: str) -> dict[str, Any]:
    """Return what the supervisor of `run` told last; empty if there is none."""
    text = await redis.get(f"medflow:run:{run}")
    return {} if text is None else dict(json.loads(text))


def _prefix(run: str) -> str:
    return f"medflow:beat:{run}:"
