"""Whether a role counts as up; docs/install.md."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from kernel import clock
from kernel.errors import Unavailable
from medflow import health
from medflow.heartbeat import Beat

BEAT = Beat("hl7", 7, "127.0.0.1", 2575, 0, 3)
LONG_AGO = 0


def told(state: str = "ready", since: int = LONG_AGO) -> dict[str, Any]:
    return {"state": state, "restarts": 0, "since": since}


@pytest.mark.parametrize(
    ("role", "beat", "up"),
    [
        (told(), BEAT, True),
        (told(), None, False),
        (told(since=clock.now() + 10**9), None, True),
        (told("starting"), None, False),
        (told("restarting"), BEAT, False),
    ],
)
def test_a_role_is_up_if_it_is_ready_and_was_heard_of(
    role: dict[str, Any], beat: Beat | None, up: bool
) -> None:
    assert health._role("hl7", role, beat)["up"] is up


def test_where_the_databases_are_is_not_told() -> None:
    assert health._public({"pid": 1, "mongodb": {}, "redis": {}, "http": {}}) == {"http": {}}


async def nothing() -> None:
    """Answer, as a Redis that is there."""


class Parts:
    """As much of the server as health asks for; it was started by hand, so no run is named."""

    settings = SimpleNamespace(run="")

    def __init__(self, error: Exception | None) -> None:
        self.redis = SimpleNamespace(ping=nothing)
        self._error = error

    async def ping(self) -> float:
        if self._error:
            raise self._error
        return 1.0


async def test_a_role_started_by_hand_answers_for_itself_and_the_databases() -> None:
    found = await health.examine(Parts(None))  # type: ignore[arg-type]  # as much as is asked for

    assert (found["status"], set(found["services"])) == ("pass", {"mongodb", "redis"})


async def test_a_database_that_does_not_answer_is_missing() -> None:
    found = await health.examine(Parts(Unavailable("Away.")))  # type: ignore[arg-type]  # the same

    assert found["status"] == "fail"
    assert "mongodb" in found["missing"]
