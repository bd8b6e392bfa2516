"""Is all of a data set there? DICOM PS3.5 §7, PS3.10 §7.1."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.data import get_testdata_file

from dicom_node import header, structure
from kernel.errors import BadStructure, BadValue, Invalid

FOLDER = Path(str(get_testdata_file("CT_small.dcm"))).parent
CT = (FOLDER / "CT_small.dcm").read_bytes()
EXPLICIT = structure.Encoding()
WHOLE = [
    "CT_small.dcm",  # explicit VR little endian
    "MR_small_bigendian.dcm",
    "MR_small_implicit.dcm",
    "MR_small_RLE.dcm",  # fragments
    "MR_small_padded.dcm",
    "rtdose.dcm",
    "rtplan.dcm",  # nested sequences
    "badVR.dcm",
    "waveform_ecg.dcm",
    "test-SR.dcm",
]


@pytest.mark.parametrize("name", WHOLE)
def test_whole_files_pass(name: str) -> None:
    assert header.read(FOLDER / name).SOPInstanceUID


@pytest.mark.parametrize("name", ["MR_truncated.dcm", "rtplan_truncated.dcm"])
def test_truncated_files_are_refused(name: str) -> None:
    with pytest.raises(BadStructure, match="truncated"):
        header.read(FOLDER / name)


@pytest.mark.parametrize("name", ["MR_small_RLE.dcm", "rtplan.dcm", "CT_small.dcm"])
@pytest.mark.parametrize("cut", [1, 7, 100, 300])
def test_a_cut_anywhere_near_the_end_is_seen(name: str, cut: int, tmp_path: Path) -> None:
    file = tmp_path / "cut.dcm"
    file.write_bytes((FOLDER / name).read_bytes()[:-cut])

    with pytest.raises(BadStructure):
        header.read(file)


def test_what_is_no_dicom_file_is_named() -> None:
    with pytest.raises(BadStructure, match="no DICOM file"):
        structure.meta_end(b"GIF89a" * 100)


def test_a_deflated_file_is_refused() -> None:
    with pytest.raises(BadStructure, match="deflated"):
        header.read(FOLDER / "image_dfl.dcm")


def test_a_missing_study_uid_is_named() -> None:
    with pytest.raises(BadValue, match="StudyInstanceUID is missing"):
        header.read(FOLDER / "priv_SQ.dcm")


def sequence(depth: int) -> bytes:
    """Return sequences of undefined length, one in the other."""
    start = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    end = b"\xfe\xff\x0d\xe0\0\0\0\0" + b"\xfe\xff\xdd\xe0\0\0\0\0"
    return start * depth + end * depth


def test_nesting_is_bounded() -> None:
    structure.check(sequence(structure.MAX_DEPTH), 0, EXPLICIT)

    with pytest.raises(BadStructure, match="nest"):
        structure.check(sequence(structure.MAX_DEPTH + 1), 0, EXPLICIT)


def test_a_length_beyond_the_end_is_refused() -> None:
    element = struct.pack("<HH2sHL", 0x7FE0, 0x0010, b"OW", 0, 0xFFFFFFF0) + b"\0" * 8

    with pytest.raises(BadStructure, match=r"\(7FE0,0010\)"):
        structure.check(element, 0, EXPLICIT)


@given(st.binary(max_size=300), st.booleans(), st.booleans())
def test_any_bytes_pass_or_are_refused(data: bytes, explicit: bool, little: bool) -> None:
    try:
        structure.check(data, 0, structure.Encoding(explicit, little))
    except Invalid:
        return


@given(st.integers(0, len(CT) - 1), st.integers(0, 255))
def test_a_flipped_byte_passes_or_is_refused(position: int, byte: int) -> None:
    data = CT[:position] + bytes([byte]) + CT[position + 1 :]
    try:
        structure.check(data, structure.meta_end(data), EXPLICIT)
    except Invalid:
        return
