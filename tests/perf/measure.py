"""One measurement after the other, contenders in turn, with the CPU time that each took."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.perf import cpu
from tests.perf.contender import Contender
from tests.perf.corpus import Corpus
from tests.perf.report import Figure
from tests.perf.workload import OPERATIONS

CLIENTS = (1, 16)
MORE_CLIENTS = {"create Observation": (1, 16, 64)}
"""Writes that wait together are committed together, so that more clients make more of them."""


@dataclass(frozen=True, slots=True)
class Meter:
    """Takes the CPU time around a measurement."""

    contender: Contender
    mongod: int

    async def around(self, measured: Awaitable[Any]) -> tuple[Any, float, float]:
        """Return what was measured, and CPU seconds of the contender and of the database."""
        before = cpu.used(self.contender.pids), cpu.used({self.mongod})
        done = await measured
        after = cpu.used(self.contender.pids), cpu.used({self.mongod})
        return done, after[0] - before[0], after[1] - before[1]


async def imports(meters: Sequence[Meter], found: Corpus, repeats: int) -> AsyncIterator[Figure]:
    for part in range(repeats):
        for meter in meters:
            bundles = found.bundles[part::repeats]
            done, server, database = await meter.around(meter.contender.take(bundles))
            each = 1e6 / max(done.resources, 1)
            yield Figure(
                "import",
                4,
                meter.contender.name,
                done.resources / done.load.seconds,
                done.load.p50,
                server * each,
                database * each,
                done.load.refused,
            )


async def requests(
    meters: Sequence[Meter], repeats: int, seconds: float, warm_up: float
) -> AsyncIterator[Figure]:
    for operation in OPERATIONS:
        for meter in meters:
            await meter.contender.ask(operation, 4, warm_up)
        for clients in MORE_CLIENTS.get(operation, CLIENTS) * repeats:
            for meter in meters:
                measured = meter.contender.ask(operation, clients, seconds)
                done, server, database = await meter.around(measured)
                if done is None:
                    continue
                each = 1e6 / max(done.count, 1)
                yield Figure(
                    operation,
                    clients,
                    meter.contender.name,
                    done.rate,
                    done.p50,
                    server * each,
                    database * each,
                    done.refused,
                )
