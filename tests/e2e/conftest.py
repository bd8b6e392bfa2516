"""A running server for all end-to-end tests: real processes, real databases, mode `open`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e import running

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def running_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[running.Server]:
    """The server as a process; tests that harm it start their own."""
    made = running.start(tmp_path_factory.mktemp("server"))
    yield made
    assert made.stop() == 0, made.log


@pytest.fixture(scope="session")
def server(running_server: running.Server) -> dict[str, Any]:
    """What `endpoints.json` says."""
    return running_server.endpoints
