"""The MLLP listener, and the same intake for messages that come another way.

HL7 v2.5.1 appendix C §C.4 (MLLP).
"""

from __future__ import annotations

import asyncio
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Final, cast

from hl7_listener.batch import split
from hl7_listener.connection import Connection
from hl7_listener.intake import Intake
from hl7_listener.messagetype import supported
from kernel import log
from kernel.settings import Hl7

if TYPE_CHECKING:
    from collections.abc import Callable
    from ipaddress import IPv4Network, IPv6Network

    from fhir_server.service import FhirService

LOG = log.get("hl7_listener.server")
GRACE_S: Final = 10.0
"""Seconds that messages in work have when the listener stops."""

DEFAULTS: Final = Hl7()


async def serve(
    service: FhirService, settings: Hl7, announce: Callable[[str, int], object]
) -> None:
    """Accept MLLP connections until cancelled; `announce(host, port)` once they are accepted.

    Raises:
        ValueError: the time zone or a network in the settings is none.
        OSError: the address cannot be listened on.
    """
    supported()  # a broken message type stops the start, not the first message
    gate = _Gate(Intake(service, settings), settings)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(gate.connection, settings.host, settings.port, backlog=512)
    host, port = server.sockets[0].getsockname()[:2]
    LOG.info("listener.start", host=host, port=port, messages=list(supported()))
    announce(host, port)
    try:
        await server.serve_forever()
    finally:
        server.close()
        await gate.close()
        LOG.info("listener.stop", port=port)


async def submit(
    service: FhirService, raw: bytes, peer: str, *, settings: Hl7 = DEFAULTS, replay: bool = False
) -> bytes:
    """Process what `raw` holds as if `peer` had sent it; return the acknowledgement.

    A batch gives one acknowledgement after the other. `replay` maps again what was applied before.
    """
    intake = Intake(service, settings)
    answers = []
    for message in split(raw):
        outcome = await intake.receive(message, peer, size=len(message), replay=replay)
        answers.append(outcome.answer if outcome else b"")
    return b"".join(answers)


class _Gate:
    """Who may connect, and who is connected."""

    def __init__(self, intake: Intake, settings: Hl7) -> None:
        self._intake = intake
        self._settings = settings
        self._networks = networks(settings.allowed_peers)
        self._open: set[Connection] = set()

    def connection(self) -> asyncio.Protocol:
        return _Doorman(self._admit)

    async def close(self) -> None:
        connections = list(self._open)
        await asyncio.gather(*(connection.finish(GRACE_S) for connection in connections))

    def _admit(self, peer: str) -> Connection | None:
        if not allowed(peer, self._networks):
            LOG.warning("peer.refuse", peer=peer, cause="not in MEDFLOW_HL7__ALLOWED_PEERS")
            return None
        if len(self._open) >= self._settings.max_connections:
            LOG.warning("peer.refuse", peer=peer, cause="MEDFLOW_HL7__MAX_CONNECTIONS reached")
            return None
        connection = Connection(self._intake, self._settings, self._open.discard)
        self._open.add(connection)
        return connection


class _Doorman(asyncio.Protocol):
    """Looks at the peer's address before anything is read, and hands over or closes."""

    def __init__(self, admit: Callable[[str], Connection | None]) -> None:
        self._admit = admit

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes: a cast, not a check.
        stream = cast("asyncio.Transport", transport)
        address = stream.get_extra_info("peername")
        connection = self._admit(str(address[0]) if address else "")
        if connection is None:
            stream.abort()
            return
        stream.set_protocol(connection)
        connection.connection_made(stream)


def networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Return the networks of a comma-separated list.

    Raises:
        ValueError: one of them is no network.
    """
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        try:
            found.append(ip_network(part, strict=False))
        except ValueError:
            raise ValueError(
                f"`MEDFLOW_HL7__ALLOWED_PEERS`: `{part}` is not a network such as `10.0.0.0/8`."
            ) from None
    return tuple(found)


def allowed(peer: str, among: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    """Whether an address is in one of the networks; IPv4 inside of IPv6 counts as IPv4."""
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in network for network in among)
