"""The DICOM node's listener: an application entity that answers the services in `services/`.

DICOM PS3.8 §7; PS3.2 (what is claimed is in docs/dicom.md).
"""

from __future__ import annotations

import asyncio
import threading
import time
import zoneinfo
from typing import TYPE_CHECKING, Any, Final, Protocol

from pynetdicom.ae import ApplicationEntity

from dicom_node.association import HANDLERS, NodeServer
from dicom_node.indexer import Indexer, rescan
from dicom_node.node import Bridge, Node
from dicom_node.quiet import silence
from dicom_node.services.service import Service
from dicom_node.upper_layer import ARTIM_S
from kernel import log
from kernel.registry import scan

if TYPE_CHECKING:
    from collections.abc import Callable

    from dicom_node.archive import Archive
    from fhir_server.service import FhirService
    from kernel.settings import Dicom

STOP_S: Final = 5.0  # associations get to end, before their connections are cut
POLL_S: Final = 0.1  # between two looks whether the listener should stop
_log = log.get("dicom.scp")


class Announce(Protocol):
    """Called once the node accepts; `handled` returns the number of instances so far."""

    def __call__(self, host: str, port: int, *, handled: Callable[[], int]) -> None: ...


async def serve(
    service: FhirService,
    settings: Dicom,
    archive: Archive,
    announce: Announce,
    *,
    any_title: bool = False,
    time_zone: str = "UTC",
) -> None:
    """Accept associations until cancelled.

    `any_title` accepts calls to any AE title (mode `open`); `time_zone` is the IANA zone of times
    that images give without an offset.

    Raises:
        OSError: the address is not free.
    """
    silence()
    await asyncio.to_thread(archive.sweep)
    indexer = Indexer(service, archive)
    bridge = Bridge(asyncio.get_running_loop(), indexer)
    zone = zoneinfo.ZoneInfo(time_zone)
    server = _server(Node(archive, settings, bridge, zone), any_title=any_title)
    listener = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": POLL_S}, name="dicom-listener"
    )
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(indexer.run())
            tasks.create_task(rescan(indexer, archive, zone))
            listener.start()
            try:
                host, port = server.server_address[:2]
                _log.info("node.listen", host=host, port=port, ae_title=settings.ae_title)
                announce(str(host), port, handled=lambda: indexer.handled)
                await asyncio.Event().wait()
            finally:
                await asyncio.shield(asyncio.to_thread(_stop, server, listener))
    finally:
        indexer.abandon()
        _log.info("node.stop")


def _server(node: Node, *, any_title: bool) -> NodeServer:
    settings = node.settings
    entity = ApplicationEntity(settings.ae_title)
    entity.require_called_aet = not any_title
    entity.maximum_pdu_size = settings.max_pdu_bytes
    entity.maximum_associations = 1 << 30  # counted by us: unnegotiated connections are none
    entity.acse_timeout = ARTIM_S
    entity.dimse_timeout = settings.network_timeout_s
    entity.network_timeout = settings.network_timeout_s
    services = scan("dicom_node.services", Service).values()
    handlers = [(one.event, one.handle, [node]) for one in services]
    contexts = [context for one in services for context in one.contexts()]
    address = (settings.host, settings.port)
    server = NodeServer(
        entity,
        address,
        settings.ae_title,
        contexts,
        evt_handlers=[*HANDLERS, *handlers],
        node=node,
    )
    listed: list[Any] = entity._servers
    listed.append(server)  # shutdown() expects it there
    return server


def _stop(server: NodeServer, listener: threading.Thread) -> None:
    """Stop listening and end every association; images that are acknowledged are on disk."""
    server.shutdown()
    listener.join()
    open_ones = server.active_associations
    for assoc in open_ones:
        if assoc.is_established:
            assoc.abort(block=False)
        elif assoc.dul.socket is not None:
            assoc.dul.socket._shutdown_socket()
    deadline = time.monotonic() + STOP_S
    for assoc in open_ones:
        assoc.join(max(0.0, deadline - time.monotonic()))
