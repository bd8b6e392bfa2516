"""The runner on a real database: studies in, preliminary reports out (docs/ai.md).

https://hl7.org/fhir/R4/diagnosticreport.html
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from ai_adapters import report
from ai_adapters.models.constant import CONSTANT, SAYS
from ai_adapters.runner import AiRunner
from ai_adapters.worker import Workers
from kernel import tasks
from kernel.errors import Gone, NotFound
from tests.integration import ai_models
from tests.integration.ai_desk import NAME, Desk, event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fhir_server.model import Context
    from fhir_server.service import FhirService
    from fhir_server.store.store import Store


@pytest_asyncio.fixture(scope="module")
async def workers() -> AsyncIterator[Workers]:
    async with Workers(timeout_s=30, attempts=2) as started:
        yield started


@pytest.fixture
def desk(service: FhirService, ctx: Context) -> Desk:
    return Desk(service, ctx)


@pytest.fixture
def runner(service: FhirService, workers: Workers) -> AiRunner:
    return AiRunner(service, [CONSTANT], workers)


async def test_a_study_gets_a_preliminary_report(desk: Desk, runner: AiRunner) -> None:
    stored = await desk.store()

    await runner.handle([stored])

    found, (result,) = await desk.report(), await desk.results()
    assert found["status"] == result["status"] == "preliminary"
    assert found["subject"] == result["subject"] == {"reference": "Patient/p1", "display": NAME}
    assert found["meta"]["security"][0]["code"] == "AIAST"
    assert result["valueString"] == SAYS
    assert result["device"]["reference"] == f"Device/{report.device_id(CONSTANT)}"


async def test_the_report_can_be_found_by_its_study_and_has_provenance(
    desk: Desk, runner: AiRunner
) -> None:
    await runner.handle([await desk.store()])

    reports = await desk.service.find(
        desk.ctx, "DiagnosticReport", [("subject", "Patient/p1"), ("status", "preliminary")]
    )
    (who,) = await desk.service.find(
        desk.ctx, "Provenance", [("target", f"DiagnosticReport/{reports[0].id}")]
    )
    assert len(reports) == 1
    assert b"Device/" in (who.body or b"")


async def test_the_relay_brings_a_study_to_its_report(
    desk: Desk, runner: AiRunner, store: Store
) -> None:
    relay = asyncio.create_task(store.relay.run(runner))

    try:
        await desk.store()
        async with asyncio.timeout(20):
            while not await desk.count("DiagnosticReport"):
                await asyncio.sleep(0.05)
    finally:
        await tasks.stop(relay)

    assert (await desk.report())["status"] == "preliminary"


async def test_to_be_told_twice_makes_one_version(desk: Desk, runner: AiRunner) -> None:
    stored = await desk.store()

    await runner.handle([stored, stored])
    await runner.handle([replace(stored, number="again", at=stored.at + 5)])

    assert (await desk.report())["meta"]["versionId"] == "1"
    assert [await desk.count(type) for type in ("DiagnosticReport", "Observation", "Device")] == [
        1,
        1,
        1,
    ]
    assert await desk.count("Provenance") == 1


async def test_an_update_that_brings_no_instance_changes_nothing(
    desk: Desk, runner: AiRunner
) -> None:
    await runner.handle([await desk.store()])

    await runner.handle([await desk.store(description="Something else")])

    assert (await desk.report())["meta"]["versionId"] == "1"


async def test_a_study_that_grows_updates_its_report(desk: Desk, runner: AiRunner) -> None:
    await runner.handle([await desk.store(1)])
    before = await desk.report()

    await runner.handle([await desk.store(2)])

    after = await desk.report()
    assert after["meta"]["versionId"] == "2"
    assert after["identifier"] != before["identifier"]
    assert await desk.count("DiagnosticReport") == 1
    assert await desk.count("Provenance") == 2


async def test_a_finding_that_goes_away_is_cancelled(
    desk: Desk, service: FhirService, workers: Workers
) -> None:
    runner = AiRunner(service, [ai_models.MANY], workers)
    await runner.handle([await desk.store(1)])
    first = await desk.results(ai_models.MANY)

    await runner.handle([await desk.store(3)])

    assert len(first) == 3
    assert [each["valueString"] for each in await desk.results(ai_models.MANY)] == ["Finding 0."]
    statuses = [(await desk.get("Observation", each["id"]))["status"] for each in first]
    assert statuses == ["preliminary", "cancelled", "cancelled"]


async def test_a_study_that_turns_out_to_be_of_somebody_else_takes_its_report_along(
    desk: Desk, runner: AiRunner
) -> None:
    await runner.handle([await desk.store()])

    await runner.handle([await desk.store(subject={"reference": "Patient/p2"})])

    assert (await desk.report())["subject"] == {"reference": "Patient/p2"}
    assert [each["subject"]["reference"] for each in await desk.results()] == ["Patient/p2"]


@pytest.mark.parametrize("status", ["final", "cancelled", "entered-in-error"])
async def test_a_report_that_a_clinician_moved_on_is_left_alone(
    desk: Desk, runner: AiRunner, status: str
) -> None:
    await runner.handle([await desk.store(1)])
    await desk.put({**await desk.report(), "status": status})

    await runner.handle([await desk.store(2)])

    assert (await desk.report())["meta"]["versionId"] == "2"
    assert [each["meta"]["versionId"] for each in await desk.results()] == ["1"]


async def test_a_report_with_a_finding_that_a_clinician_moved_on_is_left_alone(
    desk: Desk, runner: AiRunner
) -> None:
    await runner.handle([await desk.store(1)])
    (result,) = await desk.results()
    await desk.put({**result, "status": "final"})

    await runner.handle([await desk.store(2)])

    assert (await desk.report())["meta"]["versionId"] == "1"


async def test_a_report_to_which_a_clinician_added_a_finding_is_left_alone(
    desk: Desk, runner: AiRunner
) -> None:
    await runner.handle([await desk.store(1)])
    found = await desk.report()
    await desk.put({**found, "result": [*found["result"], {"reference": "Observation/mine"}]})

    await runner.handle([await desk.store(2)])

    assert (await desk.report())["meta"]["versionId"] == "2"


async def test_a_deleted_report_does_not_come_back(desk: Desk, runner: AiRunner) -> None:
    await runner.handle([await desk.store(1)])
    await desk.service.delete(desk.ctx, "DiagnosticReport", report.report_id(CONSTANT, "s1"))

    await runner.handle([await desk.store(2)])

    with pytest.raises(Gone):
        await desk.report()


@pytest.mark.parametrize("status", ["cancelled", "entered-in-error"])
async def test_a_void_study_gets_no_report(desk: Desk, runner: AiRunner, status: str) -> None:
    await runner.handle([await desk.store(status=status)])

    with pytest.raises(NotFound):
        await desk.report()


async def test_a_study_of_an_import_gets_no_report(desk: Desk, runner: AiRunner) -> None:
    stored = await desk.store()

    await runner.handle([replace(stored, protocol="import")])

    assert await desk.count("DiagnosticReport") == 0


async def test_an_empty_study_gets_no_report(desk: Desk, runner: AiRunner) -> None:
    await runner.handle([await desk.store(0)])

    with pytest.raises(NotFound):
        await desk.report()


async def test_a_study_that_is_deleted_takes_its_report_back_until_it_returns(
    desk: Desk, runner: AiRunner
) -> None:
    await runner.handle([await desk.store()])
    (result,) = await desk.results()

    gone = await desk.service.delete(desk.ctx, "ImagingStudy", "s1")
    await runner.handle([event(gone.version)])
    withdrawn = await desk.report()
    result = await desk.get("Observation", result["id"])
    await runner.handle([await desk.store()])

    assert withdrawn["status"] == result["status"] == "cancelled"
    assert (await desk.report())["status"] == "preliminary"
    assert [each["status"] for each in await desk.results()] == ["preliminary"]


async def test_a_model_of_another_modality_is_not_asked(
    desk: Desk, service: FhirService, workers: Workers
) -> None:
    other = replace(CONSTANT, name="other", modalities=frozenset({"MG"}))

    await AiRunner(service, [other], workers).handle([await desk.store()])

    assert await desk.count("DiagnosticReport") == 0
