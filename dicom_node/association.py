"""Accept associations: from whom, how many, and until everything of them is indexed.

DICOM PS3.8 §7 (association services), §9.3.4 (reasons for rejection).
"""

from __future__ import annotations

import concurrent.futures
import ipaddress
import socket
from typing import TYPE_CHECKING, Any, Final

from pynetdicom import evt
from pynetdicom._globals import MODE_ACCEPTOR
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import A_RELEASE
from pynetdicom.transport import AssociationServer, RequestHandler

from dicom_node.spool import Spool
from dicom_node.upper_layer import BoundedUpperLayer, PolledSocket, SpoolingDimse
from kernel import log

if TYPE_CHECKING:
    from pynetdicom.ae import ApplicationEntity
    from pynetdicom.dimse_messages import DIMSEMessage

    from dicom_node.indexer import Fate
    from dicom_node.node import Node

HOLD_S: Final = 10.0
"""A release waits at most this long for the index; senders give up after 30 s or so."""

_UNKNOWN_CALLER: Final = (0x01, 0x01, 0x03)  # permanent, service user, calling AE not recognised
_TOO_MANY: Final = (0x02, 0x03, 0x02)  # transient, presentation related, local limit exceeded
_log = log.get("dicom.association")


class Pending:
    """The instances of one association that are durable and not yet indexed."""

    __slots__ = ("_futures",)

    def __init__(self) -> None:
        self._futures: set[concurrent.futures.Future[Fate]] = set()

    def add(self, future: concurrent.futures.Future[Fate]) -> None:
        self._futures.add(future)
        future.add_done_callback(self._futures.discard)

    def wait(self, timeout_s: float) -> int:
        """Wait until all are indexed; return how many are not."""
        return len(concurrent.futures.wait(set(self._futures), timeout_s).not_done)


class NodeAssociation(Association):
    """An association with a peer that wants something of the node."""

    def __init__(self, ae: ApplicationEntity, server: NodeServer) -> None:
        super().__init__(ae, MODE_ACCEPTOR)
        self._server = server
        self.server = server
        self.pending = Pending()
        upper_layer = BoundedUpperLayer(self)
        upper_layer.daemon = True
        upper_layer.max_pdu_bytes = server.node.settings.max_pdu_bytes
        self.dul = upper_layer
        self._received = SpoolingDimse(self, self._spool)
        self.dimse = self._received
        self.acse_timeout = ae.acse_timeout  # once more: it belongs to the upper layer
        self.network_timeout = ae.network_timeout

    def run_reactor(self) -> None:
        """Serve the peer until the end, then remove what it left half sent."""
        try:
            super().run_reactor()
        except Exception as error:  # noqa: BLE001 - a thread must not die with a traceback on stderr
            _log.warning("association.broken", exc_info=error)
            self.kill()
        finally:
            self._received.discard()

    def _spool(self, message: DIMSEMessage) -> Spool:
        """Return where the data set of a message goes."""
        node = self.server.node
        settings = node.settings
        return Spool(
            message,
            lambda context: str(self._accepted_cx[context].transfer_syntax[0]),
            self.requestor.ae_title,
            lambda: node.archive.receive(settings.max_object_bytes, settings.min_free_bytes),
            settings.max_object_bytes,
        )


class NodeRequest(RequestHandler):
    """Makes the association of one connection."""

    server: NodeServer

    def _create_association(self) -> NodeAssociation:
        assoc = NodeAssociation(self.ae, self.server)
        assoc.name = f"AcceptorThread@{self.client_address[0]}:{self.client_address[1]}"
        assoc.set_socket(PolledSocket(assoc, client_socket=self.request))
        assoc.acceptor.maximum_length = self.ae.maximum_pdu_size
        assoc.acceptor.ae_title = self.server.ae_title
        assoc.acceptor.address_info = self.local
        assoc.acceptor.implementation_class_uid = self.ae.implementation_class_uid
        assoc.acceptor.implementation_version_name = self.ae.implementation_version_name
        # Shared: negotiation only reads them, and a copy of them all costs 47 ms.
        assoc.acceptor.supported_contexts = self.server.contexts
        assoc.requestor.address_info = self.remote
        self.server.bind_to(assoc)
        return assoc


class NodeServer(AssociationServer):
    """Listens, and turns away whom it should before they cost anything."""

    def __init__(self, *args: Any, node: Node, **kwargs: Any) -> None:
        self.node = node
        self._networks = _networks(node.settings.allowed_peers)
        kwargs["request_handler"] = NodeRequest
        super().__init__(*args, **kwargs)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection; nothing on it may take longer than the network time-out."""
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(self.node.settings.network_timeout_s)
        return connection, address

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Return whether there is room for one more connection, negotiated or not."""
        room = len(self.active_associations) < 2 * self.node.settings.max_associations + 16
        if not room:
            _log.warning("connection.refuse", address=client_address[0], reason="too many")
        return room

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log a connection that could not be served; the listener goes on."""
        _log.error("connection.failed", address=client_address[0], exc_info=True)

    def bind_to(self, assoc: NodeAssociation) -> None:
        """Give an association the handlers of the node."""
        bound: dict[Any, Any] = self._handlers
        for event, handlers in bound.items():
            for handler in (handlers,) if event.is_intervention else handlers:
                assoc.bind(event, *handler)

    def allows(self, address: str) -> bool:
        """Return whether the address is in a network that may associate."""
        found = ipaddress.ip_address(address.partition("%")[0])
        mapped = getattr(found, "ipv4_mapped", None)
        return any((mapped or found) in network for network in self._networks)


def _networks(
    listed: str,
) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    try:
        return tuple(
            ipaddress.ip_network(part.strip()) for part in listed.split(",") if part.strip()
        )
    except ValueError as error:
        raise ValueError(f"`MEDFLOW_DICOM__ALLOWED_PEERS`: {error}.") from None


def requested(event: Any) -> None:
    """Reject an association that comes from elsewhere, or is one too many."""
    assoc: NodeAssociation = event.assoc
    server = assoc.server
    others = sum(other.is_established for other in server.active_associations)
    if not server.allows(assoc.requestor.address):
        _reject(assoc, _UNKNOWN_CALLER, "network")
    elif others >= server.node.settings.max_associations:
        _reject(assoc, _TOO_MANY, "too many")


def _reject(assoc: NodeAssociation, reason: tuple[int, int, int], word: str) -> None:
    _log.warning("association.reject", address=assoc.requestor.address, reason=word)
    assoc.acse.send_reject(*reason)
    assoc.kill()


def rejected(event: Any) -> None:
    _log.warning(
        "association.reject", address=event.assoc.requestor.address, reason="called AE title"
    )


def accepted(event: Any) -> None:
    assoc = event.assoc
    _log.info("association.accept", peer=assoc.requestor.ae_title, address=assoc.requestor.address)


def acse_received(event: Any) -> None:
    """Hold the answer to a release until the sender would find its images.

    pynetdicom answers after this handler has returned; both run in the association's thread.
    """
    if not isinstance(event.primitive, A_RELEASE) or event.primitive.result is not None:
        return
    event.assoc.server.node.bridge.flush()
    missing = event.assoc.pending.wait(HOLD_S)
    if missing:
        _log.warning("release.unindexed", peer=event.assoc.requestor.ae_title, instances=missing)


HANDLERS: Final = (
    (evt.EVT_REQUESTED, requested),
    (evt.EVT_REJECTED, rejected),
    (evt.EVT_ACCEPTED, accepted),
    (evt.EVT_ACSE_RECV, acse_received),
)
