"""Files of instances: durable, never named by their UID. DICOM PS3.10 §7."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from dicom_node.archive import Archive
from dicom_node.services.storage import answer
from dicom_node.uid import valid
from kernel.errors import TooLarge, Unavailable

CT = Path(str(get_testdata_file("CT_small.dcm")))


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path)


def arrived(archive: Archive, data: bytes = CT.read_bytes()) -> Path:
    part = archive.receive(1 << 20, 0)
    part.write(data)
    return part.commit()


def test_a_committed_file_waits_for_the_index(archive: Archive) -> None:
    file = arrived(archive)

    assert list(archive.waiting()) == [file]
    assert archive.locate("1.2") is None


def test_a_settled_file_is_found_by_its_uid(archive: Archive) -> None:
    archive.settle(arrived(archive), "1.2")

    found = archive.locate("1.2")
    assert found is not None
    assert "1.2" not in found.name
    assert list(archive.waiting()) == []


def test_a_second_copy_is_dropped(archive: Archive) -> None:
    archive.settle(arrived(archive), "1.2")
    again = arrived(archive)

    assert archive.compare(again, "1.2") == "same"
    archive.settle(again, "1.2")
    assert len(list(archive.root.rglob("*.dcm"))) == 1


def test_other_content_is_told_apart(archive: Archive) -> None:
    archive.settle(arrived(archive), "1.2")

    assert archive.compare(arrived(archive, CT.read_bytes()[:-2] + b"xx"), "1.2") == "other"


def test_a_uid_never_leaves_the_store(archive: Archive) -> None:
    assert archive.root in archive.path("../../../etc/passwd").parents
    assert ".." not in archive.path("../../../etc/passwd").parts


def test_what_a_crash_left_is_swept_and_what_is_written_stays(archive: Archive) -> None:
    (archive.root / "incoming" / "old.part").write_bytes(b"half")
    writing = archive.receive(1 << 20, 0)

    assert archive.sweep() == 1
    assert writing.path.exists()
    writing.discard()


def test_a_file_that_another_process_took_is_no_error(archive: Archive) -> None:
    file = arrived(archive)
    archive.settle(file, "1.2")

    assert archive.compare(file, "1.2") == "same"
    archive.settle(file, "1.2")


def test_limits(archive: Archive) -> None:
    part = archive.receive(10, 0)
    with pytest.raises(TooLarge, match="`10`"):
        part.write(b"x" * 11)
    part.discard()

    with pytest.raises(Unavailable, match="free"):
        archive.receive(10, 1 << 62)
    assert list(archive.root.rglob("*.*")) == []


def test_a_comment_fits_into_the_answer() -> None:
    assert answer(0xC000, "ä\\" * 100).ErrorComment == "?/" * 32


@pytest.mark.parametrize(
    ("uid", "expected"),
    [
        ("1.2.840.10008", True),
        ("2.25.0", True),
        ("1.02", True),
        ("", False),
        ("1..2", False),
        ("1.2.", False),
        ("../x", False),
        ("1.2\n", False),
        ("1" * 65, False),
        ("١.٢", False),
    ],
)
def test_uids(uid: str, expected: bool) -> None:
    assert valid(uid) is expected
