"""Work in the background: after an upgrade, index again what an older version indexed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from pymongo.errors import PyMongoError

from kernel import log, tasks
from medflow.roles.role import Role

if TYPE_CHECKING:
    from collections.abc import Callable

    from medflow.roles.role import Announce
    from medflow.wiring import Parts

LOG: Final = log.get("medflow.roles.worker")

PAUSE_S: Final = 10.0


async def _run(parts: Parts, announce: Announce) -> None:
    done = 0

    def tell(count: int) -> None:
        nonlocal done
        done = count

    announce(handled=lambda: done)
    await _reindex(parts, tell)
    await asyncio.Event().wait()


async def _reindex(parts: Parts, tell: Callable[[int], None]) -> None:
    """Return once the index is of this version; a database that is away is waited for."""
    while True:
        tasks.checkpoint()
        try:
            if await parts.store.reindex.outdated():
                async for count in parts.store.reindex.run():
                    tell(count)
        except PyMongoError as error:
            LOG.warning("reindex.interrupted", reason=type(error).__name__)
            await asyncio.sleep(PAUSE_S)
        else:
            return


WORKER = Role("worker", _run)
