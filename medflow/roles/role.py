"""What a process of MedFlow is there for; docs/install.md, Processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from medflow.wiring import Parts


class Announce(Protocol):
    """To be called once a role accepts; `port` is None for one that listens nowhere.

    `handled` is asked every second for the number of requests, messages or events so far.
    """

    def __call__(
        self, host: str | None = None, port: int | None = None, handled: Callable[[], int] = ...
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Role:
    """`run` works until it is cancelled, and announces itself once it accepts."""

    name: str
    run: Callable[[Parts, Announce], Awaitable[None]]
