"""What is asked of every contender, and the servers among them, which are asked over HTTP."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx

from tests.perf import load, wrk
from tests.perf.corpus import LOINC, Corpus, resources
from tests.perf.load import Answer, Load, request

MOST_REQUESTS = 2000
"""So many different requests of one kind are sent in turn."""


@dataclass(frozen=True, slots=True)
class Imported:
    """How many resources a load of bundles brought in."""

    load: Load
    resources: int


@dataclass(frozen=True, slots=True)
class Sample:
    """What a store holds: ids of Patients, and subject, code and day of Observations."""

    patients: tuple[str, ...] = ()
    results: tuple[tuple[str, str, str], ...] = ()


class Contender(Protocol):
    """`pids` are its processes, without the database."""

    @property
    def name(self) -> str: ...
    @property
    def pids(self) -> frozenset[int]: ...
    async def take(self, bundles: Iterable[bytes]) -> Imported: ...
    async def look(self) -> None:
        """Learn what there is to be asked for, after the import."""

    async def ask(self, operation: str, connections: int, seconds: float) -> Load | None:
        """Carry out one of `workload.OPERATIONS` over and over; None if it cannot."""


@dataclass(slots=True)
class Server:
    """A FHIR server that listens on loopback. Without `transactions` bundles go in piece by piece.

    `queries` are the operations that it has, each with the way to its requests.
    """

    name: str
    pids: frozenset[int]
    port: int
    base: str
    corpus: Corpus
    transactions: bool
    sample: Sample = field(default_factory=Sample)
    _patients: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.base}"

    async def take(self, bundles: Iterable[bytes]) -> Imported:
        if self.transactions:
            return await self._whole(bundles)
        return await self._piece_by_piece(list(bundles))

    async def _whole(self, bundles: Iterable[bytes]) -> Imported:
        path = self.base or "/"
        waiting, taken = iter(bundles), 0

        def count(sent: bytes, answer: Answer) -> None:
            nonlocal taken
            taken += sent.count(b'"fullUrl"') if answer.status == 200 else 0

        def following() -> bytes | None:
            body = next(waiting, None)
            return request("POST", path, body) if body is not None else None

        done = await load.run(self.port, following, 4, answered=count)
        return Imported(done, taken)

    async def _piece_by_piece(self, bundles: list[bytes]) -> Imported:
        pieces = [
            request("POST", f"{self.base}/{r['resourceType']}", json.dumps(r).encode())
            for bundle in bundles
            for r in resources(bundle)
        ]
        waiting = iter(pieces)
        done = await load.run(self.port, lambda: next(waiting, None), 16, answered=self._remember)
        return Imported(done, done.count - done.refused)

    def _remember(self, _: bytes, answer: Answer) -> None:
        parts = answer.location.split("/")
        if "Patient" in parts:
            self._patients.append(parts[parts.index("Patient") + 1])

    async def look(self) -> None:
        if not self.transactions:
            self.sample = Sample(tuple(self._patients))
            return
        async with httpx.AsyncClient(base_url=self.url, timeout=60) as client:
            patients = await _found(client, "/Patient?_count=500")
            codes = [f"{LOINC}|{code}" for code in self.corpus.codes[:10]]
            pages = [await _found(client, f"/Observation?code={c}&_count=100") for c in codes]
        results = [result(observation) for page in pages for observation in page]
        self.sample = Sample(tuple(one["id"] for one in patients), tuple(results))

    async def ask(self, operation: str, connections: int, seconds: float) -> Load | None:
        requests = self.requests(operation)
        if not requests:
            return None
        random.Random(7).shuffle(requests)
        if wrk.WRK and seconds >= 1:
            return await wrk.run(self.port, requests, connections, seconds)
        around = itertools.cycle(requests)
        return await load.run(self.port, lambda: next(around), connections, seconds)

    def requests(self, operation: str) -> list[bytes]:
        """Return the requests of an operation, none if the server does not have it."""
        paths: list[str]
        match operation:
            case "create Observation":
                bodies = self.corpus.observations[:MOST_REQUESTS]
                return [request("POST", f"{self.base}/Observation", body) for body in bodies]
            case "read Patient":
                paths = [f"Patient/{id}" for id in self.sample.patients]
            case "token, page of 20":
                # The peer has no paging of its own; its search is of 20.
                count = "&_count=20" if self.transactions else ""
                paths = [f"Observation?code={LOINC}%7C{c}{count}" for c in self.corpus.codes]
            case _ if not self.transactions:
                return []
            case _:
                paths = list(itertools.islice(self._paths(operation), MOST_REQUESTS))
        return [request("GET", f"{self.base}/{path}") for path in paths]

    def _paths(self, operation: str) -> Iterable[str]:
        for patient, code, day in self.sample.results:
            coded = f"code={LOINC}%7C{code}"
            match operation:
                case "patient, code and date":
                    yield f"Observation?patient={patient}&{coded}&date=ge{day[:7]}"
                case "page of 50 with _include":
                    yield f"Observation?{coded}&_count=50&_include=Observation:subject"
                case "newest of a patient":
                    yield f"Observation?patient={patient}&_sort=-date&_count=20"
                case "day, all patients":
                    yield f"Observation?{coded}&date={day[:10]}&_count=20"
                case "chain":
                    yield f"Observation?patient.gender=female&{coded}&_count=20"
                case "_has":
                    yield f"Patient?_has:Observation:patient:code={LOINC}%7C{code}&_count=20"
                case "_revinclude":
                    yield f"Patient?_id={patient}&_revinclude=Condition:patient"
                case "string":
                    yield f"Patient?name={code[0]}&_count=20"
                case "_summary=true":
                    yield f"Observation?{coded}&_summary=true&_count=20"
                case _:
                    return


def result(observation: dict[str, Any]) -> tuple[str, str, str]:
    """Return the id of the subject, the code and the time of an Observation."""
    subject = observation["subject"]["reference"].rpartition("/")[2]
    return subject, observation["code"]["coding"][0]["code"], observation["effectiveDateTime"]


async def _found(client: httpx.AsyncClient, path: str) -> list[dict[str, Any]]:
    answer = await client.get(path)
    answer.raise_for_status()
    return [entry["resource"] for entry in answer.json().get("entry", ())]


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
