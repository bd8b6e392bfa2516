"""Worker processes, with models that crash, hang and lie (docs/ai.md, What a model can break)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import subprocess
import sys
import uuid
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from structlog.testing import capture_logs

from ai_adapters.adapter import Finding, Model, Study
from ai_adapters.models.constant import CONSTANT, SAYS
from ai_adapters.worker import RunFailed, Workers
from tests.integration import ai_models

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
STUDY = Study("s1", "1.2.3", frozenset({"CT"}), ("1.2.3.1",))


async def failure(model: Model, *, timeout_s: float = 60, attempts: int = 2) -> str:
    async with Workers(timeout_s=timeout_s, attempts=attempts) as workers:
        with pytest.raises(RunFailed) as failed:
            await workers.read(model, STUDY)
    return str(failed.value)


async def test_a_model_is_loaded_once_and_asked_often() -> None:
    async with Workers(timeout_s=60) as workers:
        answers = {await workers.read(ai_models.CHATTER, STUDY) for _ in range(3)}

    assert len(answers) == 1


async def test_the_constant_model_says_its_sentence() -> None:
    async with Workers(timeout_s=60) as workers:
        assert await workers.read(CONSTANT, STUDY) == (Finding(SAYS),)


async def test_a_model_sees_the_frames() -> None:
    frames = [np.full((2, 3, 3), 100, np.uint8), np.zeros((4, 4, 3), np.uint8)]

    async with Workers(timeout_s=60) as workers:
        seen = await workers.read(ai_models.SEE, replace(STUDY, frames=frames))

    assert [finding.text for finding in seen] == [
        "Mean 100.0 of (2, 3, 3).",
        "Mean 0.0 of (4, 4, 3).",
    ]


async def test_a_crashing_model_fails_after_its_attempts() -> None:
    with capture_logs() as logs:
        reason = await failure(ai_models.CRASH)

    assert reason == "The model's process ended before it answered. Attempts: 2."
    assert [line["attempt"] for line in logs if line["event"] == "attempt.failed"] == [1, 2]


async def test_a_model_that_crashes_once_is_asked_again_in_a_new_process() -> None:
    study = replace(STUDY, uid=str(uuid.uuid4()))

    try:
        async with Workers(timeout_s=60) as workers:
            assert await workers.read(ai_models.CRASH_ONCE, study) == (
                Finding("Second time lucky."),
            )
    finally:
        ai_models.marker(study.uid).unlink(missing_ok=True)


async def test_a_hung_model_is_killed_with_its_children() -> None:
    study = replace(STUDY, uid=f"{random.randrange(10**6, 10**9)}")  # how long its child sleeps

    async with Workers(timeout_s=2, attempts=1) as workers:
        asked = asyncio.create_task(workers.read(ai_models.HANG, study))
        await until(lambda: f"sleep {study.uid}" in commands().values())
        with pytest.raises(RunFailed) as failed:
            await asked

        await until(lambda: f"sleep {study.uid}" not in commands().values())
    assert str(failed.value) == "The model did not answer within 2 s. Attempts: 1."


async def test_the_process_of_a_run_that_nobody_waits_for_is_killed() -> None:
    async with Workers(timeout_s=60) as workers:
        asked = asyncio.create_task(workers.read(ai_models.WAIT, STUDY))
        await until(lambda: bool(workers_of(os.getpid())))

        asked.cancel()
        await asyncio.wait([asked])

        assert workers_of(os.getpid()) == set()


async def test_a_worker_dies_with_a_runner_that_is_killed() -> None:
    program = (
        "import asyncio; from ai_adapters.worker import Workers;"
        "from tests.integration import ai_models; from tests.integration.test_ai_worker import STUDY;"
        "asyncio.run(Workers(timeout_s=60).read(ai_models.WAIT, STUDY))"
    )
    runner = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT)
    await until(lambda: bool(workers_of(runner.pid)))
    (worker,) = workers_of(runner.pid)

    runner.kill()
    runner.wait()

    await until(lambda: worker not in commands())


async def test_a_model_that_raises_says_where_and_not_what() -> None:
    with capture_logs() as logs:
        reason = await failure(ai_models.RAISE)

    assert reason == "The model raised `RuntimeError`. Attempts: 2."
    assert any("ai_models.py" in line for log in logs for line in log.get("at", ()))
    assert ai_models.SECRET not in repr(logs)


async def test_what_a_model_prints_goes_nowhere(capfd: pytest.CaptureFixture[str]) -> None:
    async with Workers(timeout_s=60) as workers:
        (said,) = await workers.read(ai_models.CHATTER, STUDY)

    assert said.text.startswith("Read 1 instances")
    assert ai_models.SECRET not in "".join(capfd.readouterr())


async def test_an_answer_that_is_no_finding_is_refused() -> None:
    reason = await failure(ai_models.NONSENSE)

    assert reason.startswith("The model answered with something that is not a list of findings.")


async def test_a_model_that_cannot_be_loaded_says_so() -> None:
    reason = await failure(ai_models.FAILS)

    assert reason == "The model could not be loaded: it raised `ImportError`. Attempts: 2."


async def test_a_model_does_not_see_our_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDFLOW_MONGODB_URI", "mongodb://user:secret@example.org")

    async with Workers(timeout_s=60) as workers:
        assert await workers.read(ai_models.ENVIRONMENT, STUDY) == (Finding("Sees:"),)


def test_the_runner_imports_no_model_and_no_numpy() -> None:
    program = (
        "import sys, ai_adapters.runner, ai_adapters.worker;"
        "sys.exit(any(n == 'numpy' or n.startswith('ai_adapters.models.') for n in sys.modules))"
    )

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)


def workers_of(parent: int) -> set[int]:
    """Return the worker processes that a process started."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    found = commands()
    return {int(pid) for pid in children if "ai_adapters.process" in found.get(int(pid), "")}


def commands() -> dict[int, str]:
    """Return the command line of each process that is not over, by its number."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            found[int(folder.name)] = line.strip()
    return {pid: line for pid, line in found.items() if line}  # a zombie has no command line
