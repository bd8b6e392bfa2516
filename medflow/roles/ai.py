"""AI adapters: told of each study that changes, they read it and report; docs/ai.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ai_adapters.registry import models
from ai_adapters.runner import AiRunner
from ai_adapters.worker import Workers
from dicom_node.pixels import PixelSource
from medflow.archive import archive
from medflow.roles.role import Role
from medflow.studies import ArchivedStudies

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kernel.events import ResourceChanged, Subscriber
    from medflow.roles.role import Announce
    from medflow.wiring import Parts


@dataclass(slots=True)
class Counted:
    """A subscriber, and how many events it has handled."""

    inner: Subscriber
    handled: int = 0

    @property
    def name(self) -> str:
        return self.inner.name

    async def handle(self, events: Sequence[ResourceChanged]) -> None:
        await self.inner.handle(events)
        self.handled += len(events)


async def _run(parts: Parts, announce: Announce) -> None:
    settings = parts.settings.ai
    async with Workers(timeout_s=settings.timeout_s, attempts=settings.attempts) as workers:
        source = ArchivedStudies(PixelSource(archive(parts.settings)))
        runner = Counted(AiRunner(parts.service, models(settings.models), workers, source))
        announce(handled=lambda: runner.handled)
        await parts.relay.run(runner)


AI = Role("ai", _run)
