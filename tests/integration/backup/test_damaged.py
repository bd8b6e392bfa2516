"""Files that are no whole backup are refused, and leave nothing; docs/backup.md.

https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html (ustar)
"""

from __future__ import annotations

import gzip
import io
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from fhir_server.store.backup import KEPT
from kernel.errors import BadStructure
from medflow.backup import container
from tests.integration.backup.place import Place, members

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path


async def test_a_cut_file_is_refused_and_leaves_nothing(
    place: Place, other: Place, tmp_path: Path
) -> None:
    file = tmp_path / "a.tar.gz"
    await place.save(file)
    whole = file.read_bytes()

    for length in (0, 10, len(whole) // 2, len(whole) - 9, len(whole) - 1):
        file.write_bytes(whole[:length])
        with pytest.raises(BadStructure):
            await other.restore(file)

    assert await other.untouched()


async def test_a_damaged_file_is_refused_and_leaves_nothing(
    place: Place, other: Place, tmp_path: Path
) -> None:
    file = tmp_path / "a.tar.gz"
    await place.save(file)
    whole = file.read_bytes()

    for at in range(10, len(whole) - 16, len(whole) // 10):  # behind the header of gzip
        hole = bytes(byte ^ 0xFF for byte in whole[at : at + 16])
        file.write_bytes(whole[:at] + hole + whole[at + 16 :])
        with pytest.raises(BadStructure):
            await other.restore(file)

    assert await other.untouched()


def written(file: Path, found: Iterable[tuple[tarfile.TarInfo, bytes]]) -> None:
    with (
        gzip.open(file, "wb") as out,
        tarfile.open(fileobj=out, mode="w|", format=tarfile.GNU_FORMAT) as tar,
    ):
        for info, content in found:
            tar.addfile(info, io.BytesIO(content))


def changed(name: str, content: bytes) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    return info, content


EDITS: dict[str, Callable[[list[Any]], list[Any]]] = {
    "a member less": lambda found: found[1:],
    "a member twice": lambda found: [found[0], *found],
    "a member more": lambda found: [changed("users/00000009.bson", b""), *found],
    "another order": lambda found: [found[1], found[0], *found[2:]],
    "edited": lambda found: [changed(found[0][0].name, found[0][1] + b"\0"), *found[1:]],
    "no sums": lambda found: [one for one in found if not one[0].name.startswith("sums/")],
    "no manifest": lambda found: found[:-1],
    "other manifest": lambda found: [*found[:-1], changed("manifest.json", b'{"format": 1}')],
    "no JSON": lambda found: [*found[:-1], changed("manifest.json", b"{")],
    "more at the end": lambda found: [*found, found[0]],
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
async def test_an_edited_file_is_refused_and_leaves_nothing(
    place: Place, other: Place, tmp_path: Path, edit: Callable[[list[Any]], list[Any]]
) -> None:
    await place.save(tmp_path / "a.tar.gz")
    written(tmp_path / "b.tar.gz", edit(members(tmp_path / "a.tar.gz")))

    with pytest.raises(BadStructure):
        await other.restore(tmp_path / "b.tar.gz")

    assert await other.untouched()


def hostile(name: str, type: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = type, link, 0
    return info


@pytest.mark.parametrize(
    "info",
    [
        hostile("/etc/passwd"),
        hostile("dicom/../../x.dcm"),
        hostile("dicom/incoming/../x.dcm"),
        hostile("dicom/incoming/.dcm"),
        hostile("dicom/incoming/a\n.dcm"),
        hostile(f"dicom/store/aa/bb/{'c' * 64}.dcm"),
        hostile("dicom/incoming/a.dcm", tarfile.SYMTYPE, "/etc/passwd"),
        hostile("dicom/incoming/a.dcm", tarfile.LNKTYPE, "manifest.json"),
        hostile("dicom/incoming/a.dcm", tarfile.CHRTYPE),
        hostile("dicom/incoming/a.dcm", tarfile.FIFOTYPE),
        hostile("dicom/incoming/a.dcm", tarfile.GNUTYPE_SPARSE),
        hostile("dicom/incoming", tarfile.DIRTYPE),
        hostile("tokens/00000001.bson"),
        hostile("admin/00000001.bson"),
    ],
    ids=lambda info: f"{info.name!r} {info.type!r}",
)
async def test_a_hostile_member_is_refused(
    place: Place, other: Place, tmp_path: Path, info: tarfile.TarInfo
) -> None:
    await place.save(tmp_path / "a.tar.gz")
    written(tmp_path / "b.tar.gz", [(info, b""), *members(tmp_path / "a.tar.gz")])

    with pytest.raises(BadStructure, match=r"is not a member of a backup|damaged"):
        await other.restore(tmp_path / "b.tar.gz")

    assert await other.untouched()


@pytest.mark.parametrize(
    "content", [b"\0" * 5, b"\xff\xff\xff\x7f\0", b"\5\0\0\0", b"\5\0\0\0\0" * 2]
)
async def test_a_file_with_right_sums_and_wrong_documents_leaves_nothing(
    other: Place, tmp_path: Path, content: bytes
) -> None:
    with (tmp_path / "a.tar.gz").open("wb") as file:
        writer = container.Writer(file)
        writer.add("users/00000001.bson", len(content), [content])
        writer.close({"documents": dict.fromkeys(KEPT, 0), "images": 0})

    with pytest.raises(BadStructure):
        await other.restore(tmp_path / "a.tar.gz")

    assert await other.untouched()
