"""What goes wrong with a model or its images, and how it is recorded (docs/ai.md).

https://hl7.org/fhir/R4/task.html
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from ai_adapters import trail
from ai_adapters.models.constant import CONSTANT
from ai_adapters.runner import AiRunner
from ai_adapters.study import facts, run_id
from ai_adapters.worker import Workers
from kernel.errors import NotFound
from tests.integration import ai_models
from tests.integration.ai_desk import NAME, Desk, imaging_study

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ai_adapters.adapter import Model, Study
    from fhir_server.model import Context, Resource
    from fhir_server.service import FhirService


@pytest_asyncio.fixture(scope="module")
async def workers() -> AsyncIterator[Workers]:
    async with Workers(timeout_s=30, attempts=2) as started:
        yield started


@pytest.fixture
def desk(service: FhirService, ctx: Context) -> Desk:
    return Desk(service, ctx)


async def test_a_crashing_model_is_recorded_and_does_not_stop_the_others(
    desk: Desk, service: FhirService, workers: Workers
) -> None:
    runner = AiRunner(service, [ai_models.CRASH, CONSTANT], workers)

    await runner.handle([await desk.store()])

    task = await desk.get("Task", task_id(ai_models.CRASH))
    assert task["status"] == "failed"
    assert task["statusReason"]["text"].endswith("ended before it answered. Attempts: 2.")
    assert task["focus"] == {"reference": "ImagingStudy/s1"}
    assert (await desk.report())["status"] == "preliminary"
    with pytest.raises(NotFound):
        await desk.report(ai_models.CRASH)


async def test_a_run_that_failed_is_made_again_once_its_record_is_deleted(
    desk: Desk, service: FhirService, workers: Workers
) -> None:
    runner = AiRunner(service, [ai_models.RAISE], workers)
    stored = await desk.store()
    await runner.handle([stored])

    with capture_logs() as twice:
        await runner.handle([stored])
    await service.delete(desk.ctx, "Task", task_id(ai_models.RAISE))
    with capture_logs() as again:
        await runner.handle([stored])

    assert [line for line in twice if line["event"] == "attempt.failed"] == []
    assert len([line for line in again if line["event"] == "attempt.failed"]) == 2
    assert (await desk.get("Task", task_id(ai_models.RAISE)))["status"] == "failed"


async def test_a_finding_that_fhir_does_not_allow_is_recorded_as_failed(
    desk: Desk, service: FhirService, workers: Workers
) -> None:
    await AiRunner(service, [ai_models.BAD_STRING], workers).handle([await desk.store()])

    task = await desk.get("Task", task_id(ai_models.BAD_STRING))
    assert task["statusReason"]["text"].startswith("The server refused the report")


async def test_a_model_that_needs_pixels_gets_them(
    desk: Desk, service: FhirService, workers: Workers
) -> None:
    class Archive:
        async def study(self, imaging_study: Resource) -> Study:
            return replace(facts(imaging_study), frames=[np.full((2, 2, 3), 7, np.uint8)])

    runner = AiRunner(service, [ai_models.SEE], workers, Archive())

    await runner.handle([await desk.store()])

    (result,) = await desk.results(ai_models.SEE)
    assert result["valueString"] == "Mean 7.0 of (2, 2, 3)."


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (NotFound("No file."), "The images of this study are not here."),
        (OSError(NAME), "The images of this study cannot be read: `OSError`."),
    ],
)
async def test_missing_and_broken_images_are_recorded(
    desk: Desk, service: FhirService, workers: Workers, error: Exception, reason: str
) -> None:
    class Archive:
        async def study(self, imaging_study: Resource) -> Study:
            raise error

    await AiRunner(service, [ai_models.SEE], workers, Archive()).handle([await desk.store()])

    assert (await desk.get("Task", task_id(ai_models.SEE)))["statusReason"] == {"text": reason}


def test_a_model_that_needs_pixels_is_refused_where_there_are_none(
    service: FhirService, workers: Workers
) -> None:
    with pytest.raises(ValueError, match="`see` needs pixels"):
        AiRunner(service, [ai_models.SEE], workers)


async def test_nothing_about_the_patient_is_logged(
    desk: Desk, service: FhirService, workers: Workers, capfd: pytest.CaptureFixture[str]
) -> None:
    models = [CONSTANT, ai_models.RAISE, ai_models.CHATTER, ai_models.BAD_STRING]
    stored = await desk.store()

    with capture_logs() as logs:
        await AiRunner(service, models, workers).handle([stored])

    written = repr(logs) + "".join(capfd.readouterr())
    assert "report.written" in written
    assert [
        word for word in (NAME, "Xanthippe", "Chest", "Patient/p1", "rings") if word in written
    ] == []


def task_id(model: Model) -> str:
    return trail.task_id(run_id(model.name, model.version, facts(imaging_study())))
