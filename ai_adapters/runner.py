"""The runner: told of each ImagingStudy that changes, it has the models read it and writes back.

A `kernel.events.Subscriber`. It looks at the study as it is now, not at what an event says, and a
run has a deterministic id: to be told twice, late or out of order changes nothing.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from ai_adapters.study import facts, readable, run_id
from ai_adapters.worker import RunFailed
from ai_adapters.writeback import Stored, WriteBack
from kernel import log
from kernel.clock import instant
from kernel.errors import Invalid, NotFound, TooLarge, Unprocessable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ai_adapters.adapter import Finding, Model, Study, StudySource
    from ai_adapters.worker import Workers
    from fhir_server.model import Resource
    from fhir_server.service import FhirService
    from kernel.events import ResourceChanged

LOG = log.get("ai_adapters.runner")


class AiRunner:
    """Runs `models` over every study that they accept.

    Raises:
        ValueError: a model needs pixels and there is no `source`.
    """

    name = "ai"

    def __init__(
        self,
        service: FhirService,
        models: Sequence[Model],
        workers: Workers,
        source: StudySource | None = None,
    ) -> None:
        blind = [model.name for model in models if model.needs_pixels and source is None]
        if blind:
            raise ValueError(f"`{blind[0]}` needs pixels; run it where the DICOM archive is.")
        self._service = service
        self._models = tuple(models)
        self._workers = workers
        self._source = source

    async def handle(self, events: Sequence[ResourceChanged]) -> None:
        """Bring the reports of the studies that changed up to date, one study after the other.

        Resources that `medflow import` brings in are history: nobody waits for a draft of those.
        """
        latest = {
            event.id: event
            for event in events
            if event.type == "ImagingStudy" and event.protocol != "import"
        }
        for event in latest.values():
            outcomes = await asyncio.gather(
                *(self._update(model, event) for model in self._models), return_exceptions=True
            )
            # All models had their turn; what went wrong for one is told to the relay now.
            for outcome in outcomes:
                if isinstance(outcome, BaseException):
                    raise outcome

    async def _update(self, model: Model, event: ResourceChanged) -> None:
        stored = await WriteBack(self._service, model, event.id, "").study()
        study = stored.resource
        if study is None or not readable(study):
            await WriteBack(self._service, model, event.id, "").withdraw(instant(event.at))
            return
        known = facts(study)
        if model.accepts(known.modalities):
            run = run_id(model.name, model.version, known)
            await self._run(model, stored, known, WriteBack(self._service, model, event.id, run))

    async def _run(self, model: Model, stored: Stored, known: Study, out: WriteBack) -> None:
        study = stored.resource
        if study is None or not await out.due(study):
            return
        try:
            await out.write(stored, await self._read(model, study, known))
        except RunFailed as error:
            await out.fail(study, str(error))
        except (Invalid, TooLarge, Unprocessable) as error:
            where = ", ".join(f"`{path}`" for issue in error.issues for path in issue.expression)
            await out.fail(study, f"The server refused the report, {error.code}: {where or '-'}.")

    async def _read(self, model: Model, study: Resource, known: Study) -> tuple[Finding, ...]:
        if model.needs_pixels and self._source is not None:
            seen = await self._pixels(self._source, study)
            known = replace(known, frames=seen.frames)
        return await self._workers.read(model, known)

    async def _pixels(self, source: StudySource, study: Resource) -> Study:
        try:
            return await source.study(study)
        except NotFound:
            raise RunFailed("The images of this study are not here.") from None
        except Exception as error:  # whatever a foreign image does to a decoder
            LOG.warning("pixels.unreadable", study=study["id"], exc_info=error)
            raise RunFailed(
                f"The images of this study cannot be read: `{type(error).__qualname__}`."
            ) from None
