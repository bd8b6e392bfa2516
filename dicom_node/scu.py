"""The other side, for the command line: ask a node whether it is there, send it files.

DICOM PS3.4 §A (verification), §B (storage). The functions block.
"""

from __future__ import annotations

import socket
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pydicom
from pynetdicom import evt
from pynetdicom.ae import ApplicationEntity
from pynetdicom.presentation import build_context

from dicom_node import header
from dicom_node.quiet import silence
from kernel.errors import FhirError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pynetdicom.association import Association
    from pynetdicom.presentation import PresentationContext

VERIFICATION = "1.2.840.10008.1.1"
TIMEOUT_S = 30.0
_MOST_CONTEXTS = 128  # PS3.8 §9.3.2.2: their ids are odd bytes


@dataclass(frozen=True, slots=True)
class Peer:
    """A node to call. `calling` is our own AE title."""

    host: str
    port: int
    called: str = "MEDFLOW"
    calling: str = "MEDFLOW-SCU"


@dataclass(frozen=True, slots=True)
class Sent:
    """What the peer answered for a file; `status` is None if it was not sent."""

    path: Path
    status: int | None
    comment: str = ""

    @property
    def good(self) -> bool:
        """Whether the peer has the image: success, or a warning."""
        return self.status is not None and (self.status == 0 or self.status >> 12 == 0xB)


def echo(peer: Peer) -> int:
    """Return the status of a C-ECHO, 0 for success.

    Raises:
        Unavailable: there is no association to be had.
    """
    with _associated(peer, [build_context(VERIFICATION)]) as association:
        return int(association.send_c_echo().get("Status", 0x0110))


def store(peer: Peer, files: Sequence[Path]) -> list[Sent]:
    """Send files in one association; return an answer for each, in their order.

    Raises:
        Unavailable: there is no association to be had.
    """
    sent: dict[Path, Sent] = {}
    pairs: dict[tuple[str, str], list[Path]] = {}
    for path in files:
        try:
            found = header.read(path)
        except (FhirError, OSError) as error:
            sent[path] = Sent(path, None, str(error))
        else:
            pairs.setdefault((found.SOPClassUID, found.TransferSyntaxUID), []).append(path)
    if len(pairs) > _MOST_CONTEXTS:
        raise Unavailable(f"`{len(pairs)}` kinds of file do not fit into one association.")
    if pairs:
        with _associated(peer, [build_context(*pair) for pair in pairs]) as association:
            for path in (path for paths in pairs.values() for path in paths):
                sent[path] = _send(association, path)
    return [sent[path] for path in files]


def _send(association: Association, path: Path) -> Sent:
    try:
        answer = association.send_c_store(pydicom.dcmread(path))
    except (ValueError, RuntimeError, AttributeError) as error:
        return Sent(path, None, str(error))
    if "Status" not in answer:
        return Sent(path, None, "The peer did not answer.")
    return Sent(path, int(answer.Status), str(answer.get("ErrorComment", "")))


def _connected(event: Any) -> None:
    """Send small PDUs at once: waiting for the peer's acknowledgement costs 40 ms a file."""
    event.assoc.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


@contextmanager
def _associated(peer: Peer, contexts: list[PresentationContext]) -> Iterator[Association]:
    silence()
    entity = ApplicationEntity(peer.calling)
    entity.connection_timeout = entity.acse_timeout = TIMEOUT_S
    entity.dimse_timeout = entity.network_timeout = TIMEOUT_S
    association = entity.associate(
        peer.host,
        peer.port,
        contexts=contexts,
        ae_title=peer.called,
        max_pdu=131_072,
        evt_handlers=[(evt.EVT_CONN_OPEN, _connected)],
    )
    if not association.is_established:
        reason = "rejected the association" if association.is_rejected else "does not answer"
        raise Unavailable(f"`{peer.called}` at `{peer.host}:{peer.port}` {reason}.")
    try:
        yield association
    finally:
        association.release()
