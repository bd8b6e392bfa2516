"""Files of other protocols, given to the gateways that know them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dicom_node.ingest import submit
from hl7_listener.batch import split
from hl7_listener.server import submit as submit_message
from kernel.errors import FhirError
from medflow.archive import archive

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from medflow.wiring import Parts


ACCEPTED: Final = frozenset({"AA", "CA"})


async def hl7(parts: Parts, raw: bytes) -> int:
    """Take in the messages of a file, in their order; return how many there are.

    Raises:
        FhirError: some were refused. Those before and after them are kept, and recognised when the
            file is tried again.
    """
    messages = split(raw)
    refused = []
    for number, message in enumerate(messages, 1):
        answer = await submit_message(parts.service, message, "import", settings=parts.settings.hl7)
        if code(answer) not in ACCEPTED:
            refused.append(f"message {number} was answered `{code(answer) or '-'}`")
    if refused:
        raise FhirError(f"{', '.join(refused[:5])}; `medflow hl7 messages` says why.")
    return len(messages)


def code(answer: bytes) -> str:
    """Return MSA-1, the acknowledgement code (HL7 table 0008), or an empty string."""
    for segment in answer.replace(b"\n", b"\r").split(b"\r"):
        if segment.startswith(b"MSA") and len(segment) > 4:
            return segment[4:].split(segment[3:4], 1)[0].decode("ascii", "replace")
    return ""


async def dicom(
    parts: Parts, path: Path, progress: Callable[[int], None]
) -> tuple[int, list[tuple[Path, str]]]:
    """Take in one DICOM file; return how many instances are here, and the files that were refused."""
    settings = parts.settings
    report = await submit(
        parts.service,
        archive(settings),
        path,
        progress=progress,
        max_object_bytes=settings.dicom.max_object_bytes,
        min_free_bytes=settings.dicom.min_free_bytes,
        time_zone=settings.fhir.time_zone,
    )
    return report.indexed + report.unchanged, [(it.path, it.reason) for it in report.refused]
