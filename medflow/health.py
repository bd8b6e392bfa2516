"""Whether this run works as a whole: every listener accepts, and both databases answer."""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import RedisError

from kernel import clock
from kernel.errors import FhirError
from medflow import heartbeat

if TYPE_CHECKING:
    from collections.abc import Mapping

    from medflow.heartbeat import Beat
    from medflow.wiring import Parts

PATIENCE_S: Final = 2.0
"""A database that needs longer to say that it is there counts as away."""


async def examine(parts: Parts) -> dict[str, Any]:
    """Return the state of everything: `status` is `pass` or `fail`, `missing` names what fails."""
    mongodb, (state, beats, redis) = await asyncio.gather(_mongodb(parts), _redis(parts))
    services: dict[str, dict[str, Any]] = {
        "mongodb": {"up": mongodb},
        "redis": {"up": redis},
        **{name: _role(name, told, beats.get(name)) for name, told in _told(state).items()},
    }
    if redis and parts.settings.run and not state:
        services["supervisor"] = {"up": False}
    missing = [name for name, service in services.items() if not service["up"]]
    return {
        "status": "fail" if missing else "pass",
        "missing": missing,
        "version": version("medflow"),
        "services": services,
        "endpoints": _public(state.get("endpoints", {})),
    }


def _told(state: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return dict(state.get("roles", {}))


def _role(name: str, told: Mapping[str, Any], beat: Beat | None) -> dict[str, Any]:
    """Return a role's state: up if it announced itself and was heard of since.

    One that has only just announced itself need not have been heard of yet.
    """
    fresh = clock.now() - told["since"] < heartbeat.LIFETIME_S * 1000
    found: dict[str, Any] = {
        "up": told["state"] == "ready" and (beat is not None or fresh),
        "state": told["state"],
        "restarts": told["restarts"],
        "since": told["since"],
    }
    if beat is not None:
        found |= {"pid": beat.pid, "handled": beat.handled}
        if beat.port:
            found |= {"host": beat.host, "port": beat.port}
    return found


def _public(endpoints: Mapping[str, Any]) -> dict[str, Any]:
    """Return the listeners; where the databases are is nobody's business."""
    return {key: at for key, at in endpoints.items() if key not in {"mongodb", "redis", "pid"}}


async def _mongodb(parts: Parts) -> bool:
    try:
        await asyncio.wait_for(parts.ping(), PATIENCE_S)
    except (FhirError, OSError, TimeoutError):
        return False
    return True


async def _redis(parts: Parts) -> tuple[dict[str, Any], dict[str, Beat], bool]:
    """Return what the supervisor and the roles told last, and whether Redis answers."""
    run = parts.settings.run
    try:
        async with asyncio.timeout(PATIENCE_S):
            if not run:  # a role started by hand: it answers for itself only
                await parts.redis.ping()
                return {}, {}, True
            state = await heartbeat.published(parts.redis, run)
            return state, await heartbeat.beats(parts.redis, run), True
    except (RedisError, OSError, TimeoutError):
        return {}, {}, False
