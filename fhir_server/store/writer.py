"""Group transactions: concurrent writes share one MongoDB transaction, each with its own answer.

docs/adr/0003-group-transactions.md. Resources, history, original messages and the event commit
together or not at all, durably (`w: majority, j: true`), before anyone is answered. A unit that
fails its own precondition leaves the group; a write conflict sends each unit on alone.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from pymongo.errors import PyMongoError

from fhir_server.store.mongo import refusal
from fhir_server.store.unit import Duplicate, Unit, run
from kernel import log
from kernel.errors import FhirError, Forbidden

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fhir_server.model import Result
    from fhir_server.store.mongo import Collections
    from kernel.clock import Clock

SMALL: Final = "small"
LARGE: Final = "large"
LANES: Final = {SMALL: 1, LARGE: 3}
"""Transactions under way at once in one process.

One lane for small units makes the largest groups: at 16 writers it did 1,424 creates/s with 538 µs
of CPU each where two lanes did 745-904/s with 764-883 µs. Large units gain nothing from company, so
they run side by side.
"""
GROUP: Final = 256
"""Most changes that share a transaction; a larger unit goes alone."""
ATTEMPTS: Final = 12
HIDDEN: Final = 2

_log = log.get("store")


class Writer:
    """Collects units while transactions are under way and commits them in groups."""

    def __init__(
        self, collections: Collections, clock: Clock, lanes: Mapping[str, int] = LANES
    ) -> None:
        self._collections = collections
        self._clock = clock
        self._lanes = lanes
        self._under_way = dict.fromkeys(lanes, 0)
        self._waiting: list[Unit] = []
        self._busy: set[str] = set()  # keys that a transaction under way touches
        self._tasks: set[asyncio.Task[None]] = set()

    async def commit(self, unit: Unit) -> list[Result]:
        """Commit one unit and return a result for each of its changes, in their order.

        Raises:
            FhirError: the unit's own precondition failed; nothing of it is stored.
            Unavailable: the database did not answer.
        """
        self._waiting.append(unit)
        self._start()
        # Shielded: a caller that goes away does not undo what the group commits.
        return await asyncio.shield(unit.future)

    def _start(self) -> None:
        while group := self._take():
            keys = {key for unit in group for key in unit.keys}
            self._busy |= keys
            lane = LARGE if group[0].alone else SMALL
            self._under_way[lane] += 1
            task = asyncio.create_task(self._run(group, keys, lane))
            self._tasks.add(task)

    def _take(self) -> list[Unit]:
        """Return the next units that can share a transaction: no key twice, none in flight."""
        group: list[Unit] = []
        later: list[Unit] = []
        taken = set(self._busy)
        size = 0
        for unit in self._waiting:
            if unit.keys.isdisjoint(taken) and self._fits(unit, group, size):
                group.append(unit)
                size += unit.size
            else:
                later.append(unit)
            taken |= unit.keys  # whoever comes after must not overtake
        self._waiting = later
        return group

    def _fits(self, unit: Unit, group: Sequence[Unit], size: int) -> bool:
        lane = LARGE if unit.alone else SMALL
        if not group:
            return self._under_way[lane] < self._lanes[lane]
        return not unit.alone and not group[0].alone and size + unit.size <= GROUP

    async def _run(self, group: list[Unit], keys: set[str], lane: str) -> None:
        try:
            await self._settle(group)
        finally:
            self._busy -= keys
            self._under_way[lane] -= 1
            task = asyncio.current_task()
            if task is not None:
                self._tasks.discard(task)
            self._start()

    async def _settle(self, group: list[Unit]) -> None:
        try:
            await run(self._collections, group, self._clock)
        except (PyMongoError, Duplicate) as error:
            if isinstance(error, PyMongoError) and not _worth_trying(error, group):
                _log.error("store.failed", error=type(error).__name__, units=len(group))
                _fail(group, refusal(error))
                return
            for unit in group:
                if not unit.future.done():  # one that has been refused stays refused
                    await self._alone(unit)
        except FhirError as error:
            _fail(group, error)
        except Exception as error:  # noqa: BLE001  # answered, never left waiting
            _log.error("store.failed", exc_info=error)
            _fail(group, error)

    async def _alone(self, unit: Unit) -> None:
        for attempt in range(ATTEMPTS):
            try:
                await run(self._collections, [unit], self._clock)
            except PyMongoError as error:
                if not _transient(error) or attempt == ATTEMPTS - 1:
                    _log.error("store.failed", error=type(error).__name__, attempt=attempt)
                    unit.fail(refusal(error))
                    return
                await asyncio.sleep(min(0.005 * 2**attempt, 0.5))
            except Duplicate:
                # A new snapshot shows what another transaction made; what stays unseen is hidden.
                if attempt >= HIDDEN:
                    unit.fail(Forbidden("The id is in use for a resource that you may not write."))
                    return
            except Exception as error:  # noqa: BLE001  # answered, never left waiting
                unit.fail(error)
                return
            else:
                return


def _fail(group: Sequence[Unit], error: Exception) -> None:
    for unit in group:
        unit.fail(error)


def _worth_trying(error: PyMongoError, group: Sequence[Unit]) -> bool:
    """Whether the units should be tried alone.

    Not after a commit that may have happened: nobody is told yes, and nothing is done twice.
    """
    if error.has_error_label("UnknownTransactionCommitResult"):
        return False
    return len(group) > 1 or _transient(error)


def _transient(error: PyMongoError) -> bool:
    return error.has_error_label("TransientTransactionError")
