"""From durable files to FHIR: what was acknowledged gets indexed, whatever happens in between.

Arrivals of one study and sender are collected and merged in one write, so that a study does not get
a version per image: until nothing more comes, for a few seconds at most, or until somebody waits
for them. A refusal that cannot change sets the file aside; anything else is tried again, and the file stays in `incoming/`, where
the next start finds it.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from dicom_node import header, study
from dicom_node.mapping.imaging_study import mapped
from kernel import log, tasks
from kernel.errors import Conflict, FhirError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo
    from pathlib import Path

    from dicom_node.archive import Archive
    from dicom_node.header import Header
    from dicom_node.mapping.imaging_study import Mapped
    from fhir_server.service import FhirService

BATCH: Final = 500  # instances merged in one write
LONGEST_PAUSE_S: Final = 30.0
IDLE_S: Final = 0.5  # a study is written when nothing of it came for as long
LONGEST_S: Final = 5.0  # and after this, whatever comes
_log = log.get("dicom.indexer")

Fate = Literal["indexed", "unchanged", "set aside"]


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """A durable file and what it says; `done` resolves once it is in the index or set aside."""

    file: Path
    peer: str
    mapped: Mapped
    done: asyncio.Future[Fate] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


@dataclass(slots=True, eq=False)
class Waiting:
    """The arrivals of one study and sender, and when to write them: monotonic seconds."""

    arrivals: list[Arrival] = field(default_factory=list)
    latest: float = field(default_factory=lambda: time.monotonic() + LONGEST_S)
    due: float = 0.0


class Indexer:
    """A queue of arrivals and the one task, `run`, that empties it."""

    __slots__ = ("_archive", "_attempts", "_open", "_queue", "_service", "_wake", "handled")

    def __init__(self, service: FhirService, archive: Archive) -> None:
        self._service = service
        self._archive = archive
        self._queue: dict[tuple[str, str], Waiting] = defaultdict(Waiting)
        self._attempts: dict[tuple[str, str], int] = defaultdict(int)
        self._open: set[Arrival] = set()
        self._wake = asyncio.Event()
        self.handled = 0  # instances indexed or set aside since the start

    @property
    def backlog(self) -> int:
        """How many instances are durable and not yet indexed."""
        return len(self._open)

    async def add(self, file: Path, peer: str, mapped: Mapped) -> Fate:
        """Take a durable file; return once it is indexed or set aside, which may take long."""
        arrival = Arrival(file, peer, mapped)
        self._open.add(arrival)
        self._push([arrival], IDLE_S)
        try:
            fate = await arrival.done
            self.handled += 1
            return fate
        finally:
            self._open.discard(arrival)

    def abandon(self) -> None:
        """Let nobody wait any longer; the files stay in `incoming/` for the next start."""
        for arrival in self._open:
            arrival.done.cancel()

    async def flush(self) -> None:
        """Write now what was added before: somebody waits for it."""
        for waiting in self._queue.values():
            waiting.due = 0.0
        self._wake.set()

    async def run(self) -> None:
        """Index what is added, until cancelled."""
        while True:
            tasks.checkpoint()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._pause())
            self._wake.clear()
            now = time.monotonic()
            for key in [key for key, waiting in self._queue.items() if waiting.due <= now]:
                await self._round(key, self._queue.pop(key).arrivals)

    def _pause(self) -> float | None:
        """Return the seconds until something is due, None if nothing waits."""
        if not self._queue:
            return None
        return max(0.0, min(one.due for one in self._queue.values()) - time.monotonic())

    def _push(self, arrivals: Sequence[Arrival], delay_s: float = 0.0) -> None:
        due = time.monotonic() + delay_s
        for arrival in arrivals:
            waiting = self._queue[arrival.mapped.StudyInstanceUID, arrival.peer]
            waiting.arrivals.append(arrival)
            waiting.due = min(due, waiting.latest)
            if len(waiting.arrivals) >= BATCH:
                waiting.due = 0.0
        self._wake.set()

    async def _round(self, key: tuple[str, str], waiting: Sequence[Arrival]) -> None:
        # A UID twice in one round waits for the next: by then the first copy is in its place.
        first = {arrival.mapped.SOPInstanceUID: arrival for arrival in reversed(waiting)}
        batch = [one for one in waiting if first[one.mapped.SOPInstanceUID] is one][:BATCH]
        now = set(batch)
        later = [one for one in waiting if one not in now]
        try:
            await self._index(key, batch)
        except FhirError as error:
            if error.status >= 500 or isinstance(error, Conflict) or error.status == 429:
                self._retry(key, batch, error)
            else:
                self._attempts.pop(key, None)
                await self._set_aside(batch, error.code)
        except Exception as error:  # noqa: BLE001 - whatever broke, the images are kept and tried again
            self._retry(key, batch, error)
        else:
            self._attempts.pop(key, None)
        self._push(later)

    async def _index(self, key: tuple[str, str], batch: Sequence[Arrival]) -> None:
        relations = await asyncio.to_thread(self._compare, batch)
        other = [one for one, relation in relations if relation == "other"]
        good = [one for one, relation in relations if relation != "other"]
        await self._set_aside(other, "duplicate-differs")
        if not good:
            return
        changed = await study.write(self._service, key[1], [one.mapped for one in good])
        await asyncio.to_thread(self._settle, good)
        _log.info(
            "study.index", study=good[0].mapped.id, peer=key[1], instances=len(good), new=changed
        )
        for arrival in good:
            _resolve(arrival, "indexed" if changed else "unchanged")

    def _compare(self, batch: Sequence[Arrival]) -> list[tuple[Arrival, str]]:
        return [(one, self._archive.compare(one.file, one.mapped.SOPInstanceUID)) for one in batch]

    def _settle(self, batch: Sequence[Arrival]) -> None:
        for arrival in batch:
            self._archive.settle(arrival.file, arrival.mapped.SOPInstanceUID)

    async def _set_aside(self, batch: Sequence[Arrival], reason: str) -> None:
        for arrival in batch:
            await asyncio.to_thread(self._archive.set_aside, arrival.file, reason)
            _resolve(arrival, "set aside")

    def _retry(self, key: tuple[str, str], batch: Sequence[Arrival], error: Exception) -> None:
        self._attempts[key] += 1
        pause = min(LONGEST_PAUSE_S, 0.25 * 2 ** min(self._attempts[key], 10))
        _log.warning(
            "study.index_failed",
            study=batch[0].mapped.id,
            attempt=self._attempts[key],
            retry_s=pause,
            exc_info=error,
        )
        asyncio.get_running_loop().call_later(pause, self._push, batch)


def _resolve(arrival: Arrival, fate: Fate) -> None:
    if not arrival.done.done():
        arrival.done.set_result(fate)


async def rescan(indexer: Indexer, archive: Archive, zone: tzinfo) -> int:
    """Index what a former run left in `incoming/`; return how many files were looked at.

    Doing so twice is harmless: an instance that is indexed already changes nothing.
    """
    files = await asyncio.to_thread(lambda: list(archive.waiting()))
    for start in range(0, len(files), BATCH):
        await asyncio.gather(
            *(_again(indexer, archive, file, zone) for file in files[start : start + BATCH])
        )
    if files:
        _log.info("incoming.rescan", instances=len(files))
    return len(files)


async def _again(indexer: Indexer, archive: Archive, file: Path, zone: tzinfo) -> None:
    try:
        found: Header = await asyncio.to_thread(header.read, file)
        made = mapped(found, zone)
    except FhirError as error:
        await asyncio.to_thread(archive.set_aside, file, error.code)
        return
    await indexer.add(file, found.peer, made)
