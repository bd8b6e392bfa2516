"""What is asked of every contender, and the servers among them, which are asked over HTTP."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from tests.perf import load
from tests.perf.corpus import LOINC, Corpus, resources
from tests.perf.load import Answer, Load, request


@dataclass(frozen=True, slots=True)
class Imported:
    """How many resources a load of bundles brought in."""

    load: Load
    resources: int


class Contender(Protocol):
    """`pids` are its processes, without the database."""

    @property
    def name(self) -> str: ...
    @property
    def pids(self) -> frozenset[int]: ...
    async def take(self, bundles: Iterable[bytes]) -> Imported: ...
    async def create(self, connections: int, seconds: float) -> Load: ...
    async def read(self, connections: int, seconds: float) -> Load: ...
    async def search(self, connections: int, seconds: float) -> Load: ...


@dataclass(frozen=True, slots=True)
class Server:
    """A FHIR server that listens on loopback. Without `transactions` bundles go in piece by piece."""

    name: str
    pids: frozenset[int]
    port: int
    base: str
    corpus: Corpus
    transactions: bool
    ids: list[str] = field(default_factory=list)
    chance: random.Random = field(default_factory=lambda: random.Random(7))

    async def take(self, bundles: Iterable[bytes]) -> Imported:
        if self.transactions:
            return await self._whole(list(bundles))
        return await self._piece_by_piece(list(bundles))

    async def _whole(self, bundles: list[bytes]) -> Imported:
        path = self.base or "/"
        held = {request("POST", path, body): sum(1 for _ in resources(body)) for body in bundles}
        waiting, taken = iter(held), 0

        def count(sent: bytes, answer: Answer) -> None:
            nonlocal taken
            taken += held[sent] if answer.status == 200 else 0

        done = await load.run(self.port, lambda: next(waiting, None), 4, answered=count)
        return Imported(done, taken)

    async def _piece_by_piece(self, bundles: list[bytes]) -> Imported:
        pieces = [
            request("POST", f"{self.base}/{r['resourceType']}", json.dumps(r).encode())
            for bundle in bundles
            for r in resources(bundle)
        ]
        waiting = iter(pieces)
        done = await load.run(self.port, lambda: next(waiting, None), 16)
        return Imported(done, len(done.latencies) - done.refused)

    async def create(self, connections: int, seconds: float) -> Load:
        path = f"{self.base}/Observation"
        bodies = itertools.cycle(self.corpus.observations)
        return await load.run(
            self.port,
            lambda: request("POST", path, next(bodies)),
            connections,
            seconds,
            self._remember,
        )

    async def read(self, connections: int, seconds: float) -> Load:
        def one() -> bytes:
            return request("GET", f"{self.base}/Observation/{self.chance.choice(self.ids)}")

        return await load.run(self.port, one, connections, seconds)

    async def search(self, connections: int, seconds: float) -> Load:
        paths = [
            f"{self.base}/Observation?code={LOINC}%7C{code}&_count=20" for code in self.corpus.codes
        ]
        if not self.transactions:
            paths = [path.removesuffix("&_count=20") for path in paths]

        def one() -> bytes:
            return request("GET", self.chance.choice(paths))

        return await load.run(self.port, one, connections, seconds)

    def _remember(self, _: bytes, answer: Answer) -> None:
        parts = answer.location.split("/")
        if "Observation" in parts:
            self.ids.append(parts[parts.index("Observation") + 1])


async def listening(port: int, path: str, process: asyncio.subprocess.Process) -> None:
    """Wait until a server answers 200.

    Raises:
        RuntimeError: it ended, or did not answer within a minute.
    """
    async with asyncio.timeout(60):
        while process.returncode is None:
            if await _answers(port, path):
                return
            await asyncio.sleep(0.1)
    raise RuntimeError(f"The server on port `{port}` ended with {process.returncode}.")


async def _answers(port: int, path: str) -> bool:
    waiting = iter([request("GET", path)])
    try:
        done = await load.run(port, lambda: next(waiting, None), 1)
    except OSError:  # not listening yet
        return False
    return done.refused == 0
