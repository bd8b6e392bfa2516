"""Where the data set of a request goes while it arrives: an image to disk, others to a small buffer.

DICOM PS3.8 §E.2 (fragments). The file meta information, PS3.10 §7.1, is written by us in front.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import UID
from pynetdicom.dimse_messages import C_STORE_RQ, DIMSEMessage
from pynetdicom.dsutils import create_file_meta

from kernel.errors import BadStructure, FhirError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dicom_node.archive import Part

MAX_IDENTIFIER: Final = 1 << 20  # bytes of a data set that is no image
MAX_COMMAND: Final = 64 << 10  # bytes of a command set


class Abuse(Exception):
    """The peer breaks a limit so badly that the association has to end."""


class Command(BytesIO):
    """The encoded command set, bounded."""

    def write(self, data: Any, /) -> int:
        if self.tell() + len(data) > MAX_COMMAND:
            raise Abuse("command set")
        return super().write(data)


class Spool(BytesIO):
    """Takes a data set as pynetdicom writes it, fragment by fragment.

    A refusal is kept and told in the response; the rest of the image is then read and dropped, at
    most once more the size that is allowed.
    """

    def __init__(
        self,
        message: DIMSEMessage,
        syntax_of: Callable[[int], str],
        peer: str,
        receive: Callable[[], Part],
        max_bytes: int,
    ) -> None:
        super().__init__()
        self._message = message
        self._syntax_of = syntax_of
        self._peer = peer
        self._receive = receive
        self._max_bytes = max_bytes
        self._seen = 0
        self._part: Part | None = None
        self._refusal: FhirError | None = None

    def write(self, data: Any, /) -> int:
        """Take one fragment."""
        self._seen += len(data)
        if not isinstance(self._message, C_STORE_RQ):
            if self._seen > MAX_IDENTIFIER:
                raise Abuse("identifier")
            return super().write(data)
        if self._refusal is not None:
            if self._seen > 2 * self._max_bytes:
                raise Abuse("instance")
            return len(data)
        try:
            self._open().write(data)
        except FhirError as error:
            self._refusal = error
            self.discard()
        return len(data)

    def complete(self) -> Part:
        """Return the file with the whole data set.

        Raises:
            FhirError: it was refused while it arrived.
        """
        if self._refusal is not None:
            raise self._refusal
        if self._part is None:
            raise BadStructure("The request carries no data set.")
        return self._part

    def discard(self) -> None:
        """Remove the file, unless it was committed."""
        if self._part is not None:
            self._part.discard()
            self._part = None

    def _open(self) -> Part:
        if self._part is None:
            self._part = self._receive()
            self._part.write(self._meta())
        return self._part

    def _meta(self) -> bytes:
        command = self._message.command_set
        meta = create_file_meta(
            sop_class_uid=UID(str(command.get("AffectedSOPClassUID", ""))),
            sop_instance_uid=UID(str(command.get("AffectedSOPInstanceUID", ""))),
            transfer_syntax=UID(self._syntax_of(self._message.context_id or 0)),
        )
        meta.SourceApplicationEntityTitle = self._peer  # the rescan after a crash asks for it
        buffer = DicomBytesIO()
        buffer.write(b"\0" * 128 + b"DICM")
        write_file_meta_info(buffer, meta)
        return buffer.getvalue()
