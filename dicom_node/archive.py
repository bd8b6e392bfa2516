"""The archive: one file an instance, durable before anybody is told so.

    incoming/<random>.part   being received, and locked; what nobody holds is swept at start
    incoming/<random>.dcm    durable and acknowledged, not yet in the index
    store/ab/cd/<digest>.dcm indexed; the digest is the SHA-256 of the SOPInstanceUID
    quarantine/<random>.dcm  acknowledged and kept, not indexed: see the log for why

UIDs are the sender's words and never become part of a path. File format: DICOM PS3.10 §7.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, Literal

from dicom_node import structure
from dicom_node.header import mapped
from kernel import log
from kernel.errors import TooLarge, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_log = log.get("dicom.archive")
_CHECK_EVERY = 64 << 20  # bytes between two looks at the free space
_BLOCK = 1 << 20  # bytes compared at a time


class Archive:
    """Files of instances below one directory."""

    __slots__ = ("_incoming", "_quarantine", "_store", "root")

    def __init__(self, root: Path) -> None:
        self.root = root
        self._incoming = root / "incoming"
        self._store = root / "store"
        self._quarantine = root / "quarantine"
        for folder in (self._incoming, self._store, self._quarantine):
            folder.mkdir(parents=True, exist_ok=True)

    def receive(self, max_bytes: int, min_free_bytes: int) -> Part:
        """Open a new file to write an arriving instance into.

        Raises:
            Unavailable: less than `min_free_bytes` is free.
        """
        return Part(self._incoming / f"{uuid.uuid4().hex}.part", max_bytes, min_free_bytes)

    def waiting(self) -> Iterator[Path]:
        """Yield the files that are durable and not known to be indexed."""
        yield from sorted(self._incoming.glob("*.dcm"))

    def sweep(self) -> int:
        """Remove what a crash left half received; return how many files that were.

        Other processes may be receiving: what they hold is locked and stays.
        """
        return sum(_removed(part) for part in self._incoming.glob("*.part"))

    def path(self, SOPInstanceUID: str) -> Path:
        """Return where the instance is once it is indexed, whether it is there or not."""
        digest = hashlib.sha256(SOPInstanceUID.encode()).hexdigest()
        return self._store / digest[:2] / digest[2:4] / f"{digest}.dcm"

    def locate(self, SOPInstanceUID: str) -> Path | None:
        """Return the file of an indexed instance, or None."""
        path = self.path(SOPInstanceUID)
        return path if path.is_file() else None

    def compare(self, file: Path, SOPInstanceUID: str) -> Literal["new", "same", "other"]:
        """Say how a file relates to what is kept under its UID: data sets decide, not file meta.

        A file that is gone was taken by another process that found it in `incoming/`: same.
        """
        kept = self.path(SOPInstanceUID)
        try:
            if kept.is_file():
                return "same" if _same_data_set(file, kept) else "other"
        except FileNotFoundError:
            return "same"
        return "new" if file.is_file() else "same"

    def settle(self, file: Path, SOPInstanceUID: str) -> None:
        """Move an indexed file to its place; a second copy of the same is dropped.

        No fsync: if the rename is lost in a crash, the file is found in `incoming/` again.
        """
        if self.compare(file, SOPInstanceUID) == "same":
            file.unlink(missing_ok=True)
            return
        kept = self.path(SOPInstanceUID)
        kept.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # another process was faster, to the same place
            file.rename(kept)

    def set_aside(self, file: Path, reason: str) -> None:
        """Move a file that cannot be indexed to quarantine, and log why."""
        with suppress(FileNotFoundError):
            file.rename(self._quarantine / file.name)
        _log.warning("instance.quarantine", file=file.name, reason=reason)


class Part:
    """A file being received. Either `commit` or `discard` ends it."""

    __slots__ = ("_file", "_left", "_max_bytes", "_min_free_bytes", "path", "size")

    def __init__(self, path: Path, max_bytes: int, min_free_bytes: int) -> None:
        self.path = path
        self.size = 0
        self._max_bytes = max_bytes
        self._min_free_bytes = min_free_bytes
        self._left = _CHECK_EVERY
        self._check_space()
        self._file: BinaryIO = path.open("xb")
        fcntl.flock(self._file, fcntl.LOCK_EX)  # says to `sweep` that somebody writes this

    def write(self, data: bytes) -> None:
        """Append bytes.

        Raises:
            TooLarge: the instance is longer than allowed.
            Unavailable: the disk is full, or nearly.
        """
        self.size += len(data)
        self._left -= len(data)
        if self.size > self._max_bytes:
            raise TooLarge(f"The instance is longer than `{self._max_bytes}` bytes.")
        if self._left < 0:
            self._left = _CHECK_EVERY
            self._check_space()
        try:
            self._file.write(data)
        except OSError as error:
            raise Unavailable("The disk does not take the instance.") from error

    def flush(self) -> Path:
        """Make all bytes readable through the path, not yet durable."""
        try:
            self._file.flush()
        except OSError as error:
            raise Unavailable("The disk does not take the instance.") from error
        return self.path

    def commit(self) -> Path:
        """Make the file durable under its incoming name and return that.

        Rename first, then fsync of the file and its directory: after this returns, a crash at any
        moment leaves the complete file.
        """
        final = self.path.with_suffix(".dcm")
        try:
            self._file.flush()
            self.path.rename(final)
            os.fsync(self._file.fileno())
            _fsync_directory(final.parent)
        except OSError as error:
            final.unlink(missing_ok=True)
            raise Unavailable("The disk does not take the instance.") from error
        finally:
            self._file.close()
        self.path = final
        return final

    def discard(self) -> None:
        """Remove the file, unless it was committed."""
        if self.path.suffix != ".part":
            return
        try:
            self._file.close()
        except OSError:
            _log.warning("part.close_failed", file=self.path.name)  # disk full: nothing to keep
        self.path.unlink(missing_ok=True)

    def _check_space(self) -> None:
        disk = os.statvfs(self.path.parent)
        free = disk.f_bavail * disk.f_frsize
        if free < self._min_free_bytes:
            raise Unavailable(f"Only `{free}` bytes are free on the disk.")


def _removed(part: Path) -> bool:
    try:
        with part.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            part.unlink(missing_ok=True)
    except (BlockingIOError, FileNotFoundError):
        return False
    return True


def _fsync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _same_data_set(one: Path, other: Path) -> bool:
    if one == other:
        return True
    with mapped(one) as a, mapped(other) as b:
        start_a, start_b = structure.meta_end(a), structure.meta_end(b)
        length = len(a) - start_a
        return length == len(b) - start_b and all(
            a[start_a + offset : start_a + offset + _BLOCK]
            == b[start_b + offset : start_b + offset + _BLOCK]
            for offset in range(0, length, _BLOCK)
        )
