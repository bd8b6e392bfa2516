"""`make bench`: MedFlow beside its peers, in one run, on one MongoDB, under one load generator.

Nothing is written into the checkout. Figures of a busy machine mean little; the CPU columns mean
more than the rates then.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop
from pymongo import AsyncMongoClient

from kernel import log
from medflow.embedded import mongodb
from tests.perf import cpu, report, stage
from tests.perf.contender import Contender
from tests.perf.corpus import Corpus, corpus
from tests.perf.driver import driver
from tests.perf.load import Load
from tests.perf.report import Figure

CLIENTS = (1, 16)


@dataclass(frozen=True, slots=True)
class Plan:
    bundles: int
    repeats: int
    seconds: float
    warm_up: float


QUICK = Plan(bundles=6, repeats=1, seconds=1.0, warm_up=0.3)
FULL = Plan(bundles=60, repeats=3, seconds=4.0, warm_up=1.0)


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


async def imports(meters: Sequence[Meter], found: Corpus, plan: Plan) -> AsyncIterator[Figure]:
    for part in range(plan.repeats):
        for meter in meters:
            bundles = found.bundles[part :: plan.repeats]
            done, server, database = await meter.around(meter.contender.take(bundles))
            each = 1e6 / max(done.resources, 1)
            yield Figure(
                "import",
                4,
                meter.contender.name,
                done.resources / done.load.seconds,
                done.load.percentile(0.5),
                server * each,
                database * each,
                done.load.refused,
            )


async def requests(meters: Sequence[Meter], plan: Plan) -> AsyncIterator[Figure]:
    for operation in ("create", "read", "search"):
        for meter in meters:
            await getattr(meter.contender, operation)(4, plan.warm_up)
        for clients in CLIENTS * plan.repeats:
            for meter in meters:
                call: Callable[[int, float], Awaitable[Load]]
                call = getattr(meter.contender, operation)
                done, server, database = await meter.around(call(clients, plan.seconds))
                each = 1e6 / max(len(done.latencies), 1)
                yield Figure(
                    operation,
                    clients,
                    meter.contender.name,
                    done.rate,
                    done.percentile(0.5),
                    server * each,
                    database * each,
                    done.refused,
                )


@asynccontextmanager
async def contenders(uri: str, folder: Path, found: Corpus) -> AsyncIterator[list[Contender]]:
    async with AsyncExitStack() as stack:
        started: list[Contender] = [
            await stack.enter_async_context(stage.medflow(uri, folder, found))
        ]
        if stage.PEER.exists():
            peer = stage.fhirstarter(uri, folder, found)
            started.append(await stack.enter_async_context(peer))
        bare = await driver(uri, found)
        stack.push_async_callback(bare.client.close)
        yield [*started, bare]


async def main(plan: Plan) -> int:
    found = corpus(plan.bundles)
    for line in machine(found):
        print(line)
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="medflow-bench-") as name:
        folder = Path(name)
        async with (
            mongodb.running(folder / "mongodb") as uri,
            contenders(uri, folder, found) as all_,
        ):
            async with AsyncMongoClient[dict[str, Any]](uri) as client:
                pid = int((await client.admin.command("serverStatus"))["pid"])
            meters = [Meter(contender, pid) for contender in all_]
            async for figure in imports(meters, found, plan):
                figures.append(figure)
            async for figure in requests(meters, plan):
                figures.append(figure)
    print(report.table(figures))
    print(
        "\nImport: MedFlow and the driver take a bundle as one transaction; fhirstarter has none and"
        " takes resources one by one.\nThe bare driver has no HTTP, no validation, no history and no"
        " events; its server µs are this program's."
    )
    return 1 if any(f.refused for f in figures if f.contender == "MedFlow") else 0


def machine(found: Corpus) -> Iterator[str]:
    load = os.getloadavg()[0]
    yield f"{os.cpu_count()} cores, Python {platform.python_version()}, load before the run {load:.1f}"
    yield f"{len(found.bundles)} {found.origin} bundles, {found.resources:,} resources\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less than a minute; rough figures")
    chosen = QUICK if parser.parse_args().quick else FULL
    log.configure("WARNING")
    sys.exit(uvloop.run(main(chosen)))
