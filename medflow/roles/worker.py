"""Work in the background: the index of an older version, and that of new search parameters.

docs/adr/0002-one-collection-and-generic-index.md
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from pymongo.errors import PyMongoError

from kernel import log, tasks
from kernel.errors import FhirError
from medflow.roles.role import Role

if TYPE_CHECKING:
    from collections.abc import Callable

    from medflow.roles.role import Announce
    from medflow.wiring import Parts

LOG: Final = log.get("medflow.roles.worker")

PAUSE_S: Final = 10.0
LOOK_S: Final = 1.0


async def _run(parts: Parts, announce: Announce) -> None:
    done = 0

    def tell(count: int) -> None:
        nonlocal done
        done += count

    announce(handled=lambda: done)
    while True:
        tasks.checkpoint()
        try:
            await _reindex(parts, tell)
        except (PyMongoError, FhirError) as error:  # a database that is away is waited for
            LOG.warning("reindex.interrupted", reason=type(error).__name__)
            await asyncio.sleep(PAUSE_S)
        await asyncio.sleep(LOOK_S)


async def _reindex(parts: Parts, tell: Callable[[int], None]) -> None:
    """Return once all documents are indexed by this version and by the parameters there are."""
    reindex = parts.store.reindex
    if await reindex.outdated():
        before = 0
        async for count in reindex.run():
            tell(count - before)
            before = count
    for type in await reindex.pending():
        before = 0
        async for count in reindex.build(type):
            tell(count - before)
            before = count


WORKER = Role("worker", _run)
