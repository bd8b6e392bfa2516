"""`make bench`: MedFlow beside its peers, in one run, on one MongoDB, under one load generator.

Nothing is written into the checkout but what is under `build`. Figures of a busy machine mean
little; the CPU columns mean more than the rates then.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop
from pymongo import AsyncMongoClient

from kernel import log
from medflow.embedded import mongodb
from tests.perf import large, memory, profiling, report, stage, wrk
from tests.perf.contender import Contender, Server
from tests.perf.corpus import Corpus, corpus
from tests.perf.driver import driver
from tests.perf.measure import Meter, imports, requests
from tests.perf.report import Figure
from tests.perf.workload import LARGE, MOST_RESIDENT_MIB, OPERATIONS


@dataclass(frozen=True, slots=True)
class Plan:
    """`large` is how many resources there are when the pages of a large store are timed."""

    bundles: int
    repeats: int
    seconds: float
    warm_up: float
    large: int
    walked: int


QUICK = Plan(bundles=6, repeats=1, seconds=1.0, warm_up=0.3, large=0, walked=2000)
FULL = Plan(bundles=60, repeats=3, seconds=4.0, warm_up=1.0, large=60_000, walked=20_000)


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


async def compare(uri: str, folder: Path, found: Corpus, plan: Plan) -> list[Figure]:
    """Measure all contenders beside one another."""
    figures: list[Figure] = []
    async with contenders(uri, folder, found) as all_:
        async with AsyncMongoClient[dict[str, Any]](uri) as client:
            pid = int((await client.admin.command("serverStatus"))["pid"])
        meters = [Meter(contender, pid) for contender in all_]
        async for figure in imports(meters, found, plan.repeats):
            figures.append(figure)
        for contender in all_:
            await contender.look()
        measured = requests(meters, plan.repeats, plan.seconds, plan.warm_up)
        async for figure in measured:
            figures.append(figure)
        print(report.table(figures))
        print(
            "\nImport: MedFlow and the driver take a bundle as one transaction; fhirstarter has none"
            " and takes resources one by one.\nThe bare driver has no HTTP, no validation, no"
            " history and no events; its server µs are this program's."
        )
        await grow(_ours(all_), found, plan)
    return figures


async def grow(server: Server, found: Corpus, plan: Plan) -> None:
    """Fill the store, then time its pages and watch the memory of the web worker."""
    (root,) = server.pids
    worker = memory.web_worker(root)
    if plan.large:
        began = found.resources
        done = await server.take(large.copies(found, plan.large, began))
        await server.look()
        rate = done.resources / done.load.seconds
        print(f"\nWith {began + done.resources:,} resources ({rate:,.0f}/s for the last ones):\n")
        print(report.pages(list(await large.pages(server, plan.seconds))))
    held = memory.resident(worker)
    print(f"\nWeb worker after the import: {held:.0f} MiB (wanted: below {MOST_RESIDENT_MIB}).")
    for name, path in (("search", "Observation?"), ("history", "_history?")):
        read = await large.walk(server, path, plan.walked)
        if read is None:
            print(f"Reading a whole {name} by pages: not offered.")
        else:
            print(
                f"Reading {read.rows:,} entries of a {name} by pages:"
                f" {read.rows / read.seconds:,.0f}/s, {read.before:.0f} MiB before,"
                f" {read.most:.0f} at most."
            )


async def profile(uri: str, folder: Path, found: Corpus, operation: str) -> None:
    async with stage.medflow(uri, folder, found) as server:
        await server.take(found.bundles)
        await server.look()
        await server.ask(operation, 16, 1)
        print(await profiling.profile(server, operation))


async def main(plan: Plan, profiled: str | None) -> int:
    found = corpus(plan.bundles)
    for line in machine(found):
        print(line)
    with tempfile.TemporaryDirectory(prefix="medflow-bench-") as name:
        folder = Path(name)
        async with mongodb.running(folder / "mongodb") as uri:
            if profiled:
                await profile(uri, folder, found, profiled)
                return 0
            figures = await compare(uri, folder, found, plan)
    return 1 if any(f.refused for f in figures if f.contender == "MedFlow") else 0


def machine(found: Corpus) -> Iterator[str]:
    load = os.getloadavg()[0]
    yield f"{os.cpu_count()} cores, Python {platform.python_version()}, load before the run {load:.1f}"
    yield f"{len(found.bundles)} {found.origin} bundles, {found.resources:,} resources"
    yield f"Load generator: {'wrk' if wrk.WRK else 'Python; install wrk for higher rates'}\n"


def _ours(contenders: Sequence[Contender]) -> Server:
    return next(one for one in contenders if isinstance(one, Server) and one.transactions)


def _operation(text: str) -> str:
    found = [name for name in OPERATIONS if text in name]
    if len(found) != 1:
        raise argparse.ArgumentTypeError(f"name one of {', '.join(OPERATIONS)}")
    return found[0]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less than a minute; rough figures")
    parser.add_argument("--large", action="store_true", help=f"with {LARGE:,} resources; minutes")
    parser.add_argument("--profile", type=_operation, help="where the time of an operation goes")
    given = parser.parse_args()
    chosen = QUICK if given.quick else FULL
    if given.large:
        chosen = Plan(60, chosen.repeats, chosen.seconds, chosen.warm_up, LARGE, 100_000)
    log.configure("WARNING")
    sys.exit(uvloop.run(main(chosen, given.profile)))
