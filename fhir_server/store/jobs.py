"""Requests that are answered later, and their answers, kept until they expire.

https://hl7.org/fhir/R4/async.html

A job that runs is marked again and again; one that was not marked for a while has lost its process.
An answer is kept in pieces, as it may be longer than what the database takes in one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

from bson import Binary

from fhir_server.store.patience import PATIENCE_S, patience

if TYPE_CHECKING:
    from fhir_server.store.mongo import Collections

Document = dict[str, Any]
State = Literal["running", "done", "failed"]

PIECE: Final = 8 << 20  # bytes
DEAD: Final = timedelta(seconds=30)
"""A job that has not been marked for this long runs no more."""
LOST: Final = "The server's process that worked on this ended. Ask again."


@dataclass(frozen=True, slots=True)
class Job:
    """One request. `owner`, `patient` and `scopes` are of the principal that asked."""

    id: str
    owner: str
    patient: str | None
    scopes: tuple[str, ...]
    url: str
    started: datetime
    expires: datetime
    state: State = "running"
    reason: str = ""
    pieces: int = 0

    @property
    def running_s(self) -> int:
        return max(int((datetime.now(UTC) - self.started).total_seconds()), 0)


class Jobs:
    """Keeps jobs."""

    def __init__(self, collections: Collections, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._jobs = collections.jobs
        self._pieces = collections.job_parts

    async def add(self, job: Job) -> None:
        made: Document = {name: getattr(job, name) for name in FIELDS if name != "id"}
        made |= {"_id": job.id, "scopes": list(job.scopes), "mark": job.started}
        async with patience(self._patience_s):
            await self._jobs.insert_one(made)

    async def get(self, id: str) -> Job | None:
        """Return a job; one that has lost its process has failed."""
        async with patience(self._patience_s):
            stored = await self._jobs.find_one({"_id": id})
            if stored is None or stored["expires"] <= datetime.now(UTC):
                return None
            if stored["state"] == "running" and stored["mark"] < datetime.now(UTC) - DEAD:
                lost = {"state": "failed", "reason": LOST}
                same = {"_id": id, "state": "running", "mark": stored["mark"]}
                await self._jobs.update_one(same, {"$set": lost})
                stored |= lost
        given = {name: stored[name] for name in FIELDS if name != "id"}
        given["scopes"] = tuple(given["scopes"])
        return Job(id=id, **given)

    async def mark(self, id: str) -> bool:
        """Say that a job is still worked on; return whether it is still wanted."""
        async with patience(self._patience_s):
            done = await self._jobs.update_one(
                {"_id": id, "state": "running"}, {"$set": {"mark": datetime.now(UTC)}}
            )
        return done.matched_count == 1

    async def finish(self, id: str, answer: bytes, expires: datetime) -> None:
        """Keep the answer until `expires`, unless the job is not wanted any more."""
        pieces = [answer[start : start + PIECE] for start in range(0, len(answer), PIECE)]
        for number, piece in enumerate(pieces):
            kept = {"_id": _piece(id, number), "b": Binary(piece), "expires": expires}
            async with patience(self._patience_s):
                await self._pieces.insert_one(kept)
        made = {"state": "done", "pieces": len(pieces), "expires": expires}
        async with patience(self._patience_s):
            done = await self._jobs.update_one({"_id": id, "state": "running"}, {"$set": made})
        if not done.matched_count:
            await self._drop_pieces(id)

    async def fail(self, id: str, reason: str) -> None:
        """Say that there will be no answer."""
        made = {"state": "failed", "reason": reason}
        async with patience(self._patience_s):
            await self._jobs.update_one({"_id": id, "state": "running"}, {"$set": made})

    async def answer(self, job: Job) -> bytes | None:
        """Return the answer of a job that is done; None if it was removed meanwhile."""
        keys = [_piece(job.id, number) for number in range(job.pieces)]
        cursor = self._pieces.find({"_id": {"$in": keys}}, sort=[("_id", 1)])
        async with patience(self._patience_s):
            found = await cursor.to_list()
        return b"".join(piece["b"] for piece in found) if len(found) == len(keys) else None

    async def remove(self, id: str) -> None:
        """Remove a job and its answer; whoever works on it sees that at the next mark."""
        async with patience(self._patience_s):
            await self._jobs.delete_one({"_id": id})
        await self._drop_pieces(id)

    async def _drop_pieces(self, id: str) -> None:
        async with patience(self._patience_s):
            await self._pieces.delete_many({"_id": {"$gte": f"{id}/", "$lt": f"{id}0"}})


FIELDS: Final = tuple(Job.__dataclass_fields__)


def _piece(id: str, number: int) -> str:
    return f"{id}/{number:06d}"
