"""One fresh server for all pages, on free ports, open to everyone on this machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e import running


@pytest.fixture(scope="session")
def documented(tmp_path_factory: pytest.TempPathFactory) -> Iterator[running.Server]:
    """The server that the examples are sent to; other tests leave nothing in it."""
    made = running.start(tmp_path_factory.mktemp("documented"))
    yield made
    assert made.stop() == 0, made.log
