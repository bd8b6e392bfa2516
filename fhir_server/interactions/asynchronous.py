"""Requests that are answered later: run beside the others, their answers kept for whoever asked.

https://hl7.org/fhir/R4/async.html
https://hl7.org/fhir/R5/async-bundle.html
"""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import msgspec

from fhir_server.interactions.bundle import bundle
from fhir_server.smart.scopes import parse
from fhir_server.store.jobs import Job
from kernel import ids, log
from kernel.errors import FhirError, NotFound, TooMany
from kernel.tasks import stop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fhir_server.model import Context, Principal
    from fhir_server.store.jobs import Jobs
    from kernel.settings import Fhir

MARK_S: Final = 5.0
"""How often a job that runs is marked, so that nobody takes it for lost."""
FAILED: Final = (
    "The request could not be carried out; the reason was logged under the id of the job."
)
STOPPED: Final = "The server was stopped before the answer was made. Ask again."

_log = log.get("jobs")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the request would have been answered with; `body` is JSON, `location` may be ""."""

    status: int
    body: bytes
    location: str = ""


class Desk:
    """Works on jobs in this process, a bounded number of them at once."""

    def __init__(self, jobs: Jobs, settings: Fhir) -> None:
        self._jobs = jobs
        self._most = settings.max_jobs
        self._kept = timedelta(hours=settings.job_hours)
        self._running: dict[str, asyncio.Task[None] | None] = {}

    async def start(self, ctx: Context, url: str, work: Callable[[], Awaitable[Answer]]) -> str:
        """Begin to work and return the id of the job.

        Raises:
            TooMany: as many jobs as may be are under way.
        """
        if len(self._running) >= self._most:
            raise TooMany(
                f"{self._most} requests are being answered later already."
                " Wait for one of them, or ask without `Prefer: respond-async`."
            )
        id = str(uuid.uuid4())
        self._running[id] = None  # taken, before anybody else can
        who, now = ctx.principal, datetime.now(UTC)
        job = Job(id, who.name, who.patient, who.scopes, url, now, now + self._kept)
        try:
            await self._jobs.add(job)
        except BaseException:
            del self._running[id]
            raise
        self._running[id] = asyncio.create_task(self._work(job, work))
        return id

    async def look(self, ctx: Context, id: str) -> Job:
        """Return a job.

        Raises:
            NotFound: there is none of this id, or it is not the caller's.
        """
        job = await self._jobs.get(id) if ids.valid(id) else None
        if job is None or not _may_see(ctx.principal, job):
            raise NotFound(f"There is no request `{id[:80]}` that is answered later, or no more.")
        return job

    async def answer(self, job: Job) -> bytes:
        """Return the answer of a job that is done, a Bundle.

        Raises:
            NotFound: it was removed meanwhile.
        """
        found = await self._jobs.answer(job)
        if found is None:
            raise NotFound(f"The answer to `{job.id}` is not there any more.")
        return found

    async def cancel(self, ctx: Context, id: str) -> None:
        """Stop a job, wherever it runs, and remove its answer. Raises NotFound."""
        job = await self.look(ctx, id)
        await self._jobs.remove(job.id)
        task = self._running.get(job.id)
        if task is not None:
            await stop(task)

    async def close(self) -> None:
        """Stop what runs, and say so to those who wait."""
        for id, task in list(self._running.items()):
            if task is not None:
                await stop(task)
                await self._jobs.fail(id, STOPPED)

    async def _work(self, job: Job, work: Callable[[], Awaitable[Answer]]) -> None:
        task = asyncio.ensure_future(work())
        try:
            while not (await asyncio.wait({task}, timeout=MARK_S))[0]:
                if not await self._wanted(job):
                    return
            await self._jobs.finish(
                job.id, _bundle(job.url, task.result()), datetime.now(UTC) + self._kept
            )
        except Exception as error:  # noqa: BLE001  # whoever waits is told
            _log.error("job.failed", job=job.id, exc_info=error)
            await self._fail(job)
        finally:
            self._running.pop(job.id, None)
            await stop(task)

    async def _wanted(self, job: Job) -> bool:
        try:
            return await self._jobs.mark(job.id)
        except FhirError as error:  # the database may answer again before it matters
            _log.warning("job.not_marked", job=job.id, reason=type(error).__name__)
            return True

    async def _fail(self, job: Job) -> None:
        try:
            await self._jobs.fail(job.id, FAILED)
        except FhirError as error:  # without marks it counts as lost soon
            _log.warning("job.not_marked", job=job.id, reason=type(error).__name__)


def _may_see(who: Principal, job: Job) -> bool:
    """Return whether a principal asked for a job with no more rights than it has now."""
    if any(_administers(scope) for scope in who.scopes):
        return True
    same = (who.name, who.patient) == (job.owner, job.patient)
    return same and set(job.scopes) <= set(who.scopes)


def _administers(text: str) -> bool:
    scope = parse(text)
    return (
        scope is not None
        and (scope.context, scope.type) == ("system", "*")
        and set("cruds") <= set(scope.permissions)
    )


def _bundle(url: str, answer: Answer) -> bytes:
    """Return the answer as the one entry of a batch-response."""
    status = HTTPStatus(answer.status)
    response: dict[str, Any] = {"status": f"{status.value} {status.phrase}"}
    if answer.location:
        response["location"] = answer.location
    body = msgspec.Raw(answer.body)
    entry: dict[str, Any] = {}
    if answer.status >= 400:
        response["outcome"] = body
    elif answer.body:
        entry["resource"] = body
    return bundle(
        "batch-response", {"self": url}, [msgspec.json.encode(entry | {"response": response})]
    )
