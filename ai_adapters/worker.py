"""Workers: one process per model, loaded once, killed and started again when it crashes or hangs.

A model runs native code over foreign pixels. Here it can take down nothing but itself, and the
process that serves requests never imports it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from typing import TYPE_CHECKING, Self

import msgspec

from ai_adapters import wire
from kernel import log
from kernel.settings import foreign_environment

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from types import TracebackType

    from ai_adapters.adapter import Finding, Model, Study

LOG = log.get("ai_adapters.worker")


class RunFailed(Exception):
    """A model did not read a study, after all attempts. The text names no patient."""


class _Attempt(Exception):
    """One attempt failed; its text says how."""


class Workers:
    """Runs studies through models; an async context manager that ends every process it started."""

    def __init__(self, *, timeout_s: float, attempts: int = 3) -> None:
        self._timeout = timeout_s
        self._attempts = attempts
        self._workers: dict[str, _Worker] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Kill every worker process and wait until it is gone."""
        for worker in self._workers.values():
            await worker.stop()

    async def read(self, model: Model, study: Study) -> tuple[Finding, ...]:
        """Return what the model says of the study.

        Raises:
            RunFailed: every attempt failed, or took too long.
        """
        worker = self._workers.setdefault(model.name, _Worker(model, self._timeout))
        reason = ""
        for attempt in range(1, self._attempts + 1):
            try:
                return await worker.read(study)
            except _Attempt as error:
                reason = str(error)
                LOG.warning(
                    "attempt.failed", model=model.name, study=study.id, attempt=attempt, why=reason
                )
        raise RunFailed(f"{reason} Attempts: {self._attempts}.")


class _Worker:
    """One process. It has a process group of its own, so that its children end with it."""

    def __init__(self, model: Model, timeout_s: float) -> None:
        self._model = model
        self._timeout = timeout_s
        self._process: Process | None = None
        self._turn = asyncio.Lock()

    async def read(self, study: Study) -> tuple[Finding, ...]:
        async with self._turn:
            try:
                async with asyncio.timeout(self._timeout):
                    answer = await self._ask(study)
                findings = wire.findings(answer)
            except BaseException as error:
                # Nobody knows what state the process is in, also when the caller gave up.
                await self.stop()
                if (why := self._why(error)) is None:
                    raise
                raise _Attempt(why) from None
        if answer.exception:
            LOG.warning("model.raised", model=self._model.name, study=study.id, at=answer.frames)
            raise _Attempt(f"The model raised `{answer.exception}`.")
        return findings

    def _why(self, error: BaseException) -> str | None:
        match error:
            case TimeoutError():
                return f"The model did not answer within {self._timeout:g} s."
            case asyncio.IncompleteReadError() | ConnectionError():
                return "The model's process ended before it answered."
            case msgspec.DecodeError():
                return "The model answered with something that is not a list of findings."
            case wire.Unfit():
                return str(error)
        return None

    async def _ask(self, study: Study) -> wire.Answer:
        process = self._process or await self._start()
        return await self._exchange(process, *wire.ask(study))

    async def _start(self) -> Process:
        load = self._model.load
        process = self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "ai_adapters.process",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
            env=foreign_environment(),
        )
        hello = wire.Hello(f"{load.__module__}:{load.__qualname__}", tuple(sys.path))
        loaded = await self._exchange(process, wire.message(hello))
        if loaded.exception:
            LOG.warning("model.not_loaded", model=self._model.name, at=loaded.frames)
            raise _Attempt(f"The model could not be loaded: it raised `{loaded.exception}`.")
        LOG.info("model.loaded", model=self._model.name, pid=process.pid)
        return process

    async def _exchange(self, process: Process, *message: bytes) -> wire.Answer:
        if process.stdin is None or process.stdout is None:
            raise ConnectionError("The worker process has no pipes.")
        for part in message:
            process.stdin.write(part)
            await process.stdin.drain()
        head = await process.stdout.readexactly(wire.LENGTH.size)
        (size,) = wire.LENGTH.unpack(head)
        if size > wire.MAX_ANSWER:
            raise wire.Unfit(
                f"The model gave an answer of `{size}` bytes; at most {wire.MAX_ANSWER} are taken."
            )
        return msgspec.json.decode(await process.stdout.readexactly(size), type=wire.Answer)

    async def stop(self) -> None:
        """Kill the process, if there is one, with its children; wait until it is gone."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()
