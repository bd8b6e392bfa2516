"""Storage service class: C-STORE.

DICOM PS3.4 §B; statuses PS3.4 §B.2.3; PS3.7 §9.1.1. Success means that the image is on disk, synced,
and will be in the index whatever happens next.

    0000  stored                                  A700  no space, too large, or index far behind
    B000  stored; what was here under this UID    A900  UIDs contradict the request
          has other content and stays current     C000  not readable, truncated, UID not valid
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pydicom.dataset import Dataset
from pynetdicom import evt
from pynetdicom._globals import ALL_TRANSFER_SYNTAXES
from pynetdicom.presentation import AllStoragePresentationContexts, build_context

from dicom_node import header
from dicom_node.mapping.imaging_study import mapped
from dicom_node.services.service import Service
from dicom_node.spool import Spool
from kernel import log
from kernel.errors import BadStructure, FhirError, Unavailable

if TYPE_CHECKING:
    from pynetdicom.presentation import PresentationContext

    from dicom_node.header import Header
    from dicom_node.node import Node

MAX_BACKLOG: Final = 20_000
"""More instances waiting for the index than this are refused for now: memory is finite."""

DEFLATED: Final = "1.2.840.10008.1.2.1.99"
_log = log.get("dicom.storage")


class Mismatch(FhirError):
    """The data set does not carry the UIDs of the request."""

    status, code, dimse = 422, "processing", 0xA900


def contexts() -> list[PresentationContext]:
    """Return every storage SOP class, in every transfer syntax that is kept as it is sent."""
    syntaxes = [uid for uid in ALL_TRANSFER_SYNTAXES if uid != DEFLATED]
    return [
        build_context(context.abstract_syntax, syntaxes)
        for context in AllStoragePresentationContexts
        if context.abstract_syntax is not None
    ]


def store(event: Any, node: Node) -> Dataset:
    """Make the received file durable, hand it to the indexer and say so."""
    spool = event.request.DataSet
    try:
        return _store(event, node, spool)
    except FhirError as error:
        _log.warning(
            "instance.refuse",
            peer=event.assoc.requestor.ae_title,
            status=f"{error.dimse:04X}",
            code=error.code,
        )
        return answer(error.dimse, str(error))
    except Exception as error:  # noqa: BLE001 - an answer is due whatever broke
        _log.error("instance.failed", peer=event.assoc.requestor.ae_title, exc_info=error)
        return answer(0x0110, "An unexpected error occurred; it was logged.")
    finally:
        if isinstance(spool, Spool):
            spool.discard()


def _store(event: Any, node: Node, spool: object) -> Dataset:
    if not isinstance(spool, Spool):
        raise BadStructure("The request carries no data set.")
    if node.bridge.backlog > MAX_BACKLOG:
        raise Unavailable("The index is far behind; send again later.")
    part = spool.complete()
    found = header.read(part.flush())
    _check(found, event)
    made = mapped(found, node.zone)
    relation = node.archive.compare(part.path, found.SOPInstanceUID)
    file = part.commit()
    event.assoc.pending.add(node.bridge.index(file, event.assoc.requestor.ae_title, made))
    if relation == "other":
        return answer(0xB000, "Other content under this UID is kept; this copy is set aside.")
    return answer(0x0000)


def _check(found: Header, event: Any) -> None:
    request = event.request
    if found.SOPInstanceUID != request.AffectedSOPInstanceUID:
        raise Mismatch("SOPInstanceUID differs from the one of the request.")
    if found.SOPClassUID != request.AffectedSOPClassUID:
        raise Mismatch("SOPClassUID differs from the one of the request.")


def answer(status: int, comment: str = "") -> Dataset:
    """Return the status of a response; Error Comment (0000,0902) has 64 characters at most."""
    made = Dataset()
    made.Status = status
    if comment:
        made.ErrorComment = comment.encode("ascii", "replace").decode().replace("\\", "/")[:64]
    return made


STORAGE = Service("storage", evt.EVT_C_STORE, contexts, store)
