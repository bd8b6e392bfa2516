"""What happened, told at least once and in commit order to whoever subscribes.

A commit of the store leaves one event per changed resource in the same transaction. A relay follows
them (a change stream) and calls each subscriber with batches; the subscriber's bookmark moves only
after it returned, so `handle` must be idempotent. A subscriber that keeps failing
is retried with back-off and holds up nobody but itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

Action = Literal["create", "update", "delete"]


@dataclass(frozen=True, slots=True)
class ResourceChanged:
    """One version came to be.

    `number` names the event and is the same on every delivery of it; events are delivered in the
    order of their commits. `at` is the version's `meta.lastUpdated`, milliseconds since the epoch.
    `protocol` is the origin's: `rest`, `hl7v2`, `dicom`, `ai`, `import` or `system`.
    """

    number: str
    type: str
    id: str
    version: int
    action: Action
    at: int
    protocol: str


class Subscriber(Protocol):
    """Someone who wants to know. `name` keys the bookmark and must never be reused."""

    @property
    def name(self) -> str: ...

    async def handle(self, events: Sequence[ResourceChanged]) -> None:
        """Act on events in commit order; raise to have the same events again later."""
        ...
