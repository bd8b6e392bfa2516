"""The upper layer of pynetdicom with limits and deadlines, by subclassing.

DICOM PS3.8 §9. Stock pynetdicom reads as many bytes as a PDU says it has, waits for them without
end, and cannot watch file descriptors above 1024: each lets anybody stop a node.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from typing import TYPE_CHECKING, Any, Final

from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import DIMSEMessage
from pynetdicom.dul import DULServiceProvider
from pynetdicom.transport import AssociationSocket

from dicom_node.spool import Abuse, Command, Spool
from kernel import log

if TYPE_CHECKING:
    from collections.abc import Callable

    from pynetdicom.association import Association
    from pynetdicom.pdu_primitives import P_DATA

MAX_ASSOCIATE: Final = 256 << 10  # bytes of an A-ASSOCIATE-RQ
MAX_OTHER: Final = 64 << 10
MAX_DRAINED: Final = 1 << 20
MAX_QUEUED: Final = 16  # requests that a peer may send ahead of our answers
ARTIM_S: Final = 10.0  # PS3.8 §9.1.5: an association has to be asked for within
LOOK_S: Final = 0.05  # between two looks whether the peer is gone
CLOSED: Final = "Evt17"  # PS3.8 §9.2.2, table 9-10
INVALID: Final = "Evt19"
_QUICK_ACK: Final[int | None] = getattr(socket, "TCP_QUICKACK", None)  # Linux
_log = log.get("dicom.upper_layer")


class PolledSocket(AssociationSocket):
    """Watches any file descriptor, and always closes it."""

    @property
    def ready(self) -> bool:
        """Return whether there is something to read."""
        if self.socket is None or not self._is_connected:
            return False
        try:
            poll = select.poll()
            poll.register(self.socket, select.POLLIN)
            return bool(poll.poll(0))
        except (OSError, ValueError):
            self.event_queue.put(CLOSED)
            return False

    def _shutdown_socket(self) -> None:
        if self.socket is None:
            return
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the peer was first
        finally:
            self.socket.close()


class BoundedUpperLayer(DULServiceProvider):
    """Reads whole PDUs, none longer than its type allows, each within a deadline."""

    max_pdu_bytes = 131_072
    drained: int = 0
    over: bool = False

    def run_reactor(self) -> None:
        """Run until the connection ends; an error ends only this one."""
        try:
            super().run_reactor()
        except Exception as error:  # noqa: BLE001 - a thread must not die with a traceback on stderr
            _log.warning("association.broken", exc_info=error)
            self._kill_thread = True
        finally:
            if self.socket is not None:
                self.socket._shutdown_socket()

    def _read_pdu_data(self) -> None:
        try:
            event = (
                self._drain() if self.state_machine.current_state == "Sta13" else self._receive()
            )
        except (OSError, EOFError):
            event = CLOSED
        if event in {CLOSED, INVALID}:
            self.over = True
        if event:
            self.event_queue.put(event)

    def receive_pdu(self, wait: bool = False, timeout: float | None = None) -> Any:
        """Return the next primitive; do not wait for one when the peer is gone."""
        if not wait:
            return super().receive_pdu()
        deadline = time.monotonic() + (ARTIM_S if timeout is None else timeout)
        while True:
            found: Any = super().receive_pdu(True, LOOK_S)
            if found is not None or self.over or time.monotonic() > deadline:
                return found

    def _drain(self) -> str:
        """Drop what a peer still sends after it was aborted; hang up if that is too much."""
        if self.socket is None or self.socket.socket is None:
            return CLOSED
        dropped = len(self.socket.socket.recv(MAX_OTHER))
        self.drained += dropped
        return "" if dropped and self.drained <= MAX_DRAINED else CLOSED

    def _receive(self) -> str:
        """Read one PDU and queue it; return the event of the state machine that it is."""
        waiting = self.state_machine.current_state == "Sta2"
        deadline = time.monotonic() + (ARTIM_S if waiting else self.network_timeout or ARTIM_S)
        self._acknowledge()
        head = self._read(6, deadline)
        kind, length = struct.unpack(">BxL", head)
        if kind not in range(1, 8) or length > self._longest(kind):
            _log.warning("pdu.refuse", type=kind, length=length)
            return INVALID
        body = self._read(length, deadline)
        try:
            pdu, event = self._decode_pdu(head + body)
        except Exception as error:  # noqa: BLE001 - pynetdicom raises anything at all on hostile bytes
            _log.warning("pdu.invalid", type=kind, length=length, exc_info=error)
            return INVALID
        self._recv_pdu.put(pdu)
        return event

    def _acknowledge(self) -> None:
        """Acknowledge at once: senders with Nagle's algorithm wait 40 ms a file for it otherwise."""
        if self.socket is not None and self.socket.socket is not None and _QUICK_ACK is not None:
            self.socket.socket.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)

    def _longest(self, kind: int) -> int:
        if kind == 0x04:
            return self.max_pdu_bytes
        return MAX_ASSOCIATE if kind == 0x01 else MAX_OTHER

    def _read(self, length: int, deadline: float) -> bytearray:
        """Return exactly `length` bytes.

        Raises:
            EOFError: the peer closed the connection.
            TimeoutError: they did not come in time.
        """
        if self.socket is None or self.socket.socket is None:
            raise EOFError
        connection = self.socket.socket
        found = bytearray(length)
        view = memoryview(found)
        while view:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            connection.settimeout(left)
            count = connection.recv_into(view)
            if not count:
                raise EOFError
            view = view[count:]
        connection.settimeout(self.network_timeout)  # answers have all the time again
        return found


class SpoolingDimse(DIMSEServiceProvider):
    """Receives data sets into what `spool` makes for a message, instead of memory."""

    def __init__(self, assoc: Association, spool: Callable[[DIMSEMessage], Spool]) -> None:
        super().__init__(assoc)
        self._spool = spool

    def receive_primitive(self, primitive: P_DATA) -> None:
        """Take one P-DATA; a peer that breaks a limit is disconnected."""
        try:
            if self.message is None:
                self.message = self._message()
            super().receive_primitive(primitive)
            if self.msg_queue.qsize() > MAX_QUEUED:
                raise Abuse("requests ahead of answers")
        except Exception as error:  # noqa: BLE001 - pynetdicom raises anything at all on hostile bytes
            _log.warning("message.invalid", exc_info=error)
            self.discard()
            self.dul.event_queue.put(INVALID)

    def discard(self) -> None:
        """Remove what was received and will not be answered any more."""
        left: list[Any] = [getattr(self.message, "data_set", None)]
        while not self.msg_queue.empty():
            left.append(getattr(self.msg_queue.get_nowait()[1], "DataSet", None))
        for spool in left:
            if isinstance(spool, Spool):
                spool.discard()

    def _message(self) -> DIMSEMessage:
        message = DIMSEMessage()
        message.encoded_command_set = Command()
        message.data_set = self._spool(message)
        return message
