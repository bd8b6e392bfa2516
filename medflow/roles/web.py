"""HTTP: FHIR, DICOMweb, accounts and pages. https://hl7.org/fhir/R4/http.html."""

from __future__ import annotations

import asyncio
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn

from medflow.application import application
from medflow.roles.role import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from medflow.roles.role import Announce
    from medflow.wiring import Parts


class _Server(uvicorn.Server):
    """Uvicorn that says when it accepts, and leaves signals to the process that it runs in."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._tell = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._tell()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


async def _run(parts: Parts, announce: Announce) -> None:
    settings = parts.settings.http
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    config = uvicorn.Config(
        application(parts),
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # `http.public_url` says what clients see
        timeout_keep_alive=30,
        timeout_graceful_shutdown=5,
    )

    def started() -> None:
        host, port = listener.getsockname()[:2]
        announce(host, port, lambda: server.server_state.total_requests)

    server = _Server(config, started)
    serving = asyncio.create_task(server.serve([listener]))
    try:
        await asyncio.shield(serving)
    finally:  # requests that have begun are answered
        server.should_exit = True
        await serving


WEB = Role("web", _run)
