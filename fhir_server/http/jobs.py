"""Requests that are answered later: started, asked after, cancelled.

https://hl7.org/fhir/R4/async.html
https://hl7.org/fhir/R5/async-bundle.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fhir_server.http.response import Response, http_date, of_error, of_outcome
from fhir_server.interactions.asynchronous import Answer
from kernel.errors import FhirError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fhir_server.http.fhir import FhirApi
    from fhir_server.http.request import Request
    from fhir_server.model import Context

FOLDER: Final = "_async"


async def start(
    api: FhirApi, request: Request, ctx: Context, work: Callable[[], Awaitable[Response]]
) -> Response:
    """Begin a request and tell where its answer will be.

    Raises:
        TooMany: as many as may be are under way.
    """
    await request.body(api.settings.max_body_bytes)  # the connection will not be there later

    async def answer() -> Answer:
        try:
            response = await work()
        except FhirError as error:
            response = of_error(error)
        names = dict(response.headers)
        return Answer(response.status, response.body, names.get(b"location", b"").decode())

    id = await api.service.start_job(ctx, request.url, answer)
    place = f"{request.base}/{FOLDER}/{id}".encode("latin-1")
    headers = [
        (b"content-location", place),
        (b"preference-applied", b"respond-async"),
        (b"retry-after", b"1"),
    ]
    return of_outcome(202, "The answer is being made; ask for it at `Content-Location`.", headers)


async def look(api: FhirApi, _: Request, ctx: Context, parts: list[str]) -> Response:
    """Return the answer, or how far it has come."""
    job = await api.service.job(ctx, parts[1])
    if job.state == "running":
        seconds = job.running_s
        progress = f"running for {seconds} s"
        # Short work is asked after often, long work seldom.
        wait = min(max(seconds // 5, 1), 30)
        headers = [(b"x-progress", progress.encode()), (b"retry-after", b"%d" % wait)]
        return of_outcome(202, f"The answer is being made: {progress}.", headers)
    expires = (b"expires", http_date(int(job.expires.timestamp())))
    if job.state == "failed":
        failed = of_error(FhirError(job.reason))
        failed.headers.append(expires)
        return failed
    return Response(200, await api.service.job_answer(ctx, job.id), [expires])


async def cancel(api: FhirApi, _: Request, ctx: Context, parts: list[str]) -> Response:
    """Stop a request that is under way, or remove its answer."""
    await api.service.cancel_job(ctx, parts[1])
    return of_outcome(202, "The request is cancelled, and its answer removed.", [])
