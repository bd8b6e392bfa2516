"""The images of a backup: files of the DICOM archive, out and in. DICOM PS3.10 §7."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, BinaryIO, Final

from kernel.errors import Conflict
from medflow.backup.container import IMAGE, IMAGES, PIECE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from medflow.backup.container import Member, Writer

FOLDERS: Final = ("incoming", "quarantine", "store")
"""In the order in which a backup reads them: files move from the first to the others."""
LATE_S: Final = 60.0
"""Files settled from so long before the snapshot on may not be in it."""


def collect(writer: Writer, root: Path, taken: float) -> Iterator[int]:
    """Add every durable file of the archive at `root`; yield the size of each.

    `taken` is when the database was, seconds since 1970. An image that settled about then or later
    may not be in that index: it is kept among those that wait, where the start after a restore
    indexes it. To do that twice is harmless.
    """
    for file in _files(root):
        try:
            source = file.open("rb")
        except FileNotFoundError:
            continue  # it moved on, and is found there
        with source:
            status = os.fstat(source.fileno())
            name = file.relative_to(root).as_posix()
            if name.startswith("store/") and status.st_ctime > taken - LATE_S:
                name = f"incoming/{file.stem}.dcm"
            writer.add(IMAGES + name, status.st_size, _pieces(source))
        yield status.st_size


def _pieces(source: BinaryIO) -> Iterator[bytes]:
    while piece := source.read(PIECE):
        yield piece


def _files(root: Path) -> Iterator[Path]:
    for folder in FOLDERS:
        for where, folders, names in os.walk(root / folder):
            folders.sort()
            for name in sorted(names):
                file = root / where / name
                if IMAGE.fullmatch(file.relative_to(root).as_posix()):
                    yield file


class Incoming:
    """Images of a restore under way: beside the archive until all are there."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._staged = root / "restoring"

    def require_empty(self) -> None:
        """Refuse an archive that holds images. Raises Conflict."""
        if next(_files(self._root), None) is not None:
            raise Conflict(
                f"There are images in `{self._root}`. A restore needs an archive without any:"
                " set `MEDFLOW_DATA_DIR` to another directory."
            )

    def begin(self) -> None:
        """Make a place for them, without what a restore that was killed left there."""
        self.discard()
        for folder in FOLDERS:
            (self._staged / folder).mkdir(parents=True, mode=0o700)

    def take(self, member: Member) -> None:
        """Write one; the reader knows only names that stay inside."""
        path = self._staged / member.name.removeprefix(IMAGES)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            for piece in member.pieces:
                file.write(piece)

    def settle(self) -> None:
        """Make all durable and put them in their place: one `sync`, not one for each of them."""
        os.sync()
        for folder in FOLDERS:
            (self._staged / folder).replace(self._root / folder)
        os.sync()

    def undo(self) -> None:
        """Remove what was put in place."""
        for folder in FOLDERS:
            shutil.rmtree(self._root / folder, ignore_errors=True)
            (self._root / folder).mkdir(exist_ok=True)

    def discard(self) -> None:
        """Remove what is not in place yet."""
        shutil.rmtree(self._staged, ignore_errors=True)
