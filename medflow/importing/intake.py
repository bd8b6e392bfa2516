"""The import itself: files in, some at a time, and again those that came too early."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from fhir_server.model import Message
from kernel import clock, ids, log
from kernel.errors import BadStructure, BadValue, FhirError, TooLarge, Unavailable
from medflow.importing import bundles, gateways, order
from medflow.importing.sources import Source, sources

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from fhir_server.model import Context
    from medflow.wiring import Parts

LOG: Final = log.get("medflow.importing")

AT_ONCE: Final = 4


class Partly(FhirError):
    """Some of a file is stored; to try all of it again could store that twice."""


HOPELESS: Final = (BadStructure, BadValue, TooLarge, Unavailable, Partly)
"""What does not get better because other files were stored meanwhile."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A file, and why it was not taken. The reason may quote the file's values: never logged."""

    path: Path
    reason: str
    hopeless: bool


@dataclass(slots=True)
class Report:
    """What became of the files; `resources` counts what the server stored or already had.

    `repeated` are those among them that an earlier import of the same content had made.
    """

    files: int
    skipped: int
    resources: int = 0
    repeated: int = 0
    failed: list[Failure] = field(default_factory=list)


async def intake(
    parts: Parts,
    ctx: Context,
    paths: Sequence[Path],
    tell: Callable[[int, int, int], None],
    *,
    again: bool = False,
) -> Report:
    """Import everything below `paths`; `tell` takes files done, files in all, resources.

    A transaction that would create anew what an earlier import created is not run a second time,
    unless `again`: an import that was interrupted goes on where it was.
    """
    todo, others = await asyncio.to_thread(sources, paths)
    report = Report(len(todo), others)
    images = [source.path for source in todo if source.kind == "dicom"]
    failures: list[Failure] = []
    for group in await asyncio.to_thread(order.groups, todo):
        waiting = {failure.path for failure in failures}
        early = [source for source in todo if source.path in waiting]
        desk = Desk(parts, ctx, report, again)
        failures = await _rounds(desk, [*early, *group], tell)
    report.failed += failures
    if images:
        await _images(parts, images, report, tell)
    LOG.info("import.done", files=report.files, failed=len(report.failed))
    return report


@dataclass(frozen=True, slots=True)
class Desk:
    """What taking in a file needs."""

    parts: Parts
    ctx: Context
    report: Report
    again: bool


async def _rounds(
    desk: Desk,
    waiting: Sequence[Source],
    tell: Callable[[int, int, int], None],
) -> list[Failure]:
    """Try the files until no more of them go in; return those that others may still help."""
    while True:
        failures = await _round(desk, waiting, tell)
        desk.report.failed += [failure for failure in failures if failure.hopeless]
        failures = [failure for failure in failures if not failure.hopeless]
        if not failures or len(failures) == len(waiting):
            return failures
        again = {failure.path for failure in failures}
        waiting = [source for source in waiting if source.path in again]


async def _round(
    desk: Desk,
    waiting: Sequence[Source],
    tell: Callable[[int, int, int], None],
) -> list[Failure]:
    """Try each file once, `AT_ONCE` at a time; return those that failed."""
    queue, failures, left, report = iter(waiting), [], len(waiting), desk.report

    async def work() -> None:
        nonlocal left
        for source in queue:
            try:
                made = await _take(desk, source)
            except (FhirError, OSError) as error:
                reason = str(error) or type(error).__name__
                failures.append(Failure(source.path, reason, isinstance(error, HOPELESS)))
            else:
                left -= 1
                report.resources += made
            tell(report.files - left, report.files, report.resources)

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return failures


async def _take(desk: Desk, source: Source) -> int:
    """Store one file; return how many resources it made."""
    raw = await asyncio.to_thread(bundles.read, source.path)
    if source.kind == "hl7":
        return await gateways.hl7(desk.parts, raw)
    if source.kind == "json":
        return await _run(desk, bundles.from_json(raw))
    made = 0
    for bundle in bundles.from_ndjson(raw):
        try:
            made += await _run(desk, bundle)
        except FhirError as error:
            if made:
                raise Partly(f"After `{made}` resources: {error}") from None
            raise
    return made


async def _run(desk: Desk, bundle: bytes | dict[str, Any]) -> int:
    """Run a Bundle, once; return how many resources there are of it now."""
    service, content = desk.parts.service, bundles.content(bundle)
    if content is None:
        return _stored(await service.bundle(desk.ctx, bundle))
    id = ids.derived("import", content.digest)
    known = None if desk.again else await service.message(desk.ctx, id)
    if known is not None:
        desk.report.repeated += len(known.produced)
        return len(known.produced)
    # Kept in the transaction of what it makes. The content itself is stored as resources.
    note = Message(id, "import", "", content.digest, "Bundle", "applied", clock.now(), b"")
    if not content.is_batch:
        return _stored(await service.bundle(desk.ctx, bundle, message=note))
    response = await service.bundle(desk.ctx, bundle)
    made = _stored(response)
    places = tuple(entry["response"].get("location", "") for entry in response["entry"])
    await service.keep(desk.ctx, replace(note, produced=places))
    return made


def _stored(response: Any) -> int:
    """Return how many entries went through.

    Raises:
        Partly: some did not; a batch keeps those that did.
    """
    faults = bundles.faults(response)
    if faults:
        raise Partly(f"{len(faults)} entries were refused, first {faults[0]}")
    return len(response.get("entry", []))


async def _images(
    parts: Parts, images: list[Path], report: Report, tell: Callable[[int, int, int], None]
) -> None:
    done = report.files - len(images) - len(report.failed)

    def step(count: int) -> None:
        nonlocal done
        done += count
        tell(done, report.files, report.resources)

    for path in images:
        indexed, refused = await gateways.dicom(parts, path, step)
        report.resources += indexed
        report.failed += [Failure(at, reason, hopeless=True) for at, reason in refused]
