"""What validation costs: for each type beside other libraries, and in an import at each level.

https://hl7.org/fhir/R4/validation.html

    python -m tests.perf.validation [--quick]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvloop

from fhir_server import jsonio
from fhir_server.model import EVERYTHING, Context, Origin, Principal
from fhir_server.service import FhirService
from fhir_server.store import mongo
from fhir_server.store.store import Store
from fhir_server.validation import faults
from kernel import log
from kernel.settings import Fhir, Level
from medflow.embedded import mongodb
from tests.perf import stage
from tests.perf.corpus import Corpus, corpus

SCHEMA = stage.ROOT / ".." / "shared/fhir/definitions/fhir.schema-r4.json.xz"
LEVELS: tuple[Level, ...] = ("off", "structure", "strict")
MOST = 200  # resources of one type that are timed
REPEATS = 5
CTX = Context(Principal("bench", EVERYTHING), Origin("import", "bench", "bench"))


def by_type(found: Corpus) -> dict[str, list[dict[str, Any]]]:
    """Return the resources of all bundles, the commonest types first."""
    kinds: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for bundle in found.bundles:
        for entry in jsonio.decode(bundle)["entry"]:
            kinds[entry["resource"]["resourceType"]].append(entry["resource"])
    ordered = sorted(kinds, key=lambda kind: -len(kinds[kind]))
    return {type: kinds[type][:MOST] for type in ordered}


def cost(judge: Callable[[dict[str, Any]], Any], resources: list[dict[str, Any]]) -> float:
    """Return the CPU microseconds for one resource, the best of some runs."""
    best = float("inf")
    for _ in range(REPEATS):
        began = time.process_time()
        for resource in resources:
            judge(resource)
        best = min(best, time.process_time() - began)
    return best / len(resources) * 1e6


def costs(kinds: dict[str, list[dict[str, Any]]]) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield the columns of the table, by type."""
    yield "structure", {type: cost(faults, found) for type, found in kinds.items()}
    yield (
        "strict",
        {
            type: cost(lambda resource: faults(resource, strict=True), found)
            for type, found in kinds.items()
        },
    )
    yield from peers(kinds).items()


def peers(kinds: dict[str, list[dict[str, Any]]]) -> dict[str, dict[str, float]]:
    """Return the costs of the other libraries; nothing if they are not installed."""
    if not stage.PEER.exists():
        print("The peers are not installed: `make bench` does that.\n")
        return {}
    program = Path(__file__).with_name("peer_validation.py")
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        file.write(jsonio.encode(kinds))
        file.flush()
        command = [str(stage.PEER), str(program), file.name]
        command += [str(SCHEMA)] if SCHEMA.exists() else []
        done = subprocess.run(command, capture_output=True, check=False, timeout=900)
    if done.returncode:
        print(f"The peers ended with an error: {done.stderr.decode()[-300:]}\n")
        return {}
    answered: dict[str, dict[str, float]] = json.loads(done.stdout)
    return answered


def table(columns: dict[str, dict[str, float]], types: list[str]) -> Iterator[str]:
    yield f"{'CPU µs for one resource':<26}" + "".join(f"{name:>16}" for name in columns)
    for type in types:
        cells = (column.get(type) for column in columns.values())
        row = "".join(f"{'-' if cell is None else f'{cell:,.1f}':>16}" for cell in cells)
        yield f"{type:<26}{row}"


async def imports(found: Corpus, folder: Path) -> None:
    """Take all bundles in at each level, each time into an empty database."""
    print(f"\n{'Import at level':<26}{'resources/s':>16}{'CPU µs each':>16}{'refused':>16}")
    async with mongodb.running(folder / "mongodb") as uri:
        for level in LEVELS:
            collections = mongo.connect(uri, f"bench_{level}")
            await mongo.prepare(collections)
            service = FhirService(Store(collections), Fhir(validation=level))
            await service.bundle(CTX, found.bundles[0])  # what is compiled once is not the level's
            wall, cpu, refused = time.monotonic(), time.process_time(), 0
            for bundle in found.bundles:
                try:
                    await service.bundle(CTX, bundle)
                except Exception:  # what a level refuses is counted
                    refused += 1
            wall, cpu = time.monotonic() - wall, time.process_time() - cpu
            await service.close()
            await collections.client.close()
            each = cpu / found.resources * 1e6
            print(f"{level:<26}{found.resources / wall:>16,.0f}{each:>16,.0f}{refused:>16}")


async def main(bundles: int) -> int:
    found = corpus(bundles)
    kinds = by_type(found)
    print(f"{len(found.bundles)} {found.origin} bundles, {found.resources:,} resources\n")
    columns = dict(await asyncio.to_thread(lambda: dict(costs(kinds))))
    for line in table(columns, list(kinds)):
        print(line)
    with tempfile.TemporaryDirectory(prefix="medflow-bench-") as name:
        await imports(found, Path(name))
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer bundles; rough figures")
    given = parser.parse_args()
    log.configure("WARNING")
    sys.exit(uvloop.run(main(6 if given.quick else 30)))
