"""Read what a DICOM file says about itself, all but its pixels.

DICOM PS3.10 §7 (media storage file format).
"""

from __future__ import annotations

import mmap
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pydicom
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
)

from dicom_node import structure, uid
from dicom_node.quiet import silence
from kernel.errors import BadStructure, BadValue

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pydicom.dataset import FileDataset

DEFERRED: Final = 64 << 10
"""Longer values are left in the file until asked for, bytes."""


@dataclass(frozen=True, slots=True, eq=False)
class Header:
    """The checked identity of an instance and its data set without pixel data."""

    StudyInstanceUID: str
    SeriesInstanceUID: str
    SOPInstanceUID: str
    SOPClassUID: str
    TransferSyntaxUID: str
    peer: str  # the calling AE title that the file's meta information names
    dataset: FileDataset


def read(path: Path) -> Header:
    """Return the header of a complete file.

    Raises:
        BadStructure: the file is not DICOM, truncated, or in a syntax that is not read.
        BadValue: a UID is missing or malformed.
    """
    silence()
    with mapped(path) as data:
        start = structure.meta_end(data)
        TransferSyntaxUID = syntax(path)
        structure.check(data, start, _encoding(TransferSyntaxUID))
    dataset = _dataset(path)
    meta = dataset.file_meta
    return Header(
        StudyInstanceUID=uid.checked("StudyInstanceUID", dataset.get("StudyInstanceUID")),
        SeriesInstanceUID=uid.checked("SeriesInstanceUID", dataset.get("SeriesInstanceUID")),
        SOPInstanceUID=uid.checked(
            "SOPInstanceUID",
            dataset.get("SOPInstanceUID") or meta.get("MediaStorageSOPInstanceUID"),
        ),
        SOPClassUID=uid.checked(
            "SOPClassUID", dataset.get("SOPClassUID") or meta.get("MediaStorageSOPClassUID")
        ),
        TransferSyntaxUID=TransferSyntaxUID,
        peer=str(meta.get("SourceApplicationEntityTitle") or "").strip(),
        dataset=dataset,
    )


def is_dicom(path: Path) -> bool:
    """Return whether the file has the mark of a DICOM file."""
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


@contextmanager
def mapped(path: Path) -> Iterator[mmap.mmap | bytes]:
    """Map the file into memory, read-only."""
    with path.open("rb") as file:
        if not path.stat().st_size:
            yield b""
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield data


def syntax(path: Path) -> str:
    """Return the transfer syntax that the file's meta information names."""
    silence()
    try:
        meta = pydicom.filereader.read_file_meta_info(path)
        named = uid.checked("TransferSyntaxUID", meta.get("TransferSyntaxUID"))
    except BadValue:
        raise
    except Exception as error:  # pydicom raises anything at all on hostile bytes
        raise BadStructure("The file meta information cannot be read.") from error
    if named == DeflatedExplicitVRLittleEndian:
        raise BadStructure(f"Transfer syntax `{named}` (deflated) is not supported.")
    return named


def _encoding(named: str) -> structure.Encoding:
    return structure.Encoding(
        explicit=named != ImplicitVRLittleEndian, little=named != ExplicitVRBigEndian
    )


def _dataset(path: Path) -> FileDataset:
    try:
        return pydicom.dcmread(path, stop_before_pixels=True, defer_size=DEFERRED)
    except Exception as error:  # pydicom raises anything at all on hostile bytes
        raise BadStructure("The data set cannot be read.") from error
