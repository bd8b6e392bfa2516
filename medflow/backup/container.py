"""The file of a backup: a tar archive in gzip, written and read as a stream.

https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html (ustar), RFC 1952 (gzip)

    resources/00000001.bson, …   documents, one after the other, as many as fit 16 MB
    dicom/store/ab/cd/….dcm, …   the images
    sums/00000001, …             SHA-256 of the members before it, as `sha256sum -c` reads them
    manifest.json                last: what the file should hold, and the SHA-256 of all sums

What is read is hostile until the manifest agrees. Only regular files with the names above are known,
so that no member leads anywhere else.
"""

from __future__ import annotations

import gzip
import json
import re
import tarfile
import zlib
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from fhir_server.store.backup import KEPT
from kernel.errors import BadStructure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Json = dict[str, Any]
FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
IMAGES: Final = "dicom/"
BLOCK: Final = 512
PIECE: Final = 1 << 20  # bytes of a member that are in memory at a time
IN_MEMORY: Final = 64 << 20  # longest member that is read as a whole
SUMS: Final = 1000  # members that share one list of sums
IMAGE: Final = re.compile(
    r"store/(?P<a>[0-9a-f]{2})/(?P<b>[0-9a-f]{2})/(?P=a)(?P=b)[0-9a-f]{60}\.dcm"
    r"|(?:incoming|quarantine)/[A-Za-z0-9][A-Za-z0-9_-]{0,63}\.dcm"
)
_NAMES: Final = re.compile(
    rf"(?:{'|'.join(KEPT)})/\d{{8}}\.bson|sums/\d{{8}}|manifest\.json|dicom/(?:{IMAGE.pattern})"
)
_FAULTS: Final = (EOFError, gzip.BadGzipFile, zlib.error)


class Writer:
    """Writes members one after the other; `close` ends the file."""

    def __init__(self, file: BinaryIO) -> None:
        # Level 1: a snapshot is readable for minutes, and the time goes into compression.
        self._out = gzip.GzipFile("", "wb", compresslevel=1, fileobj=file, mtime=0)
        self._sums: list[str] = []
        self._all = sha256()
        self._count = 0

    def add(self, name: str, size: int, pieces: Iterable[bytes]) -> None:
        """Write one member of `size` bytes.

        Raises:
            OSError: it cannot be written, or has another size.
        """
        self._sums.append(f"{self._member(name, size, pieces)}  {name}\n")
        if len(self._sums) == SUMS:
            self._flush()

    def close(self, facts: Json) -> None:
        """Write the manifest with these facts in it, and the end."""
        self._flush()
        manifest = {"format": FORMAT, **facts, "sha256": self._all.hexdigest()}
        text = json.dumps(manifest, indent=2).encode()
        self._member(MANIFEST, len(text), [text])
        self._out.write(bytes(2 * BLOCK))
        self._out.close()

    def _flush(self) -> None:
        if self._sums:
            self._count += 1
            text = "".join(self._sums).encode()
            self._sums = []
            self._all.update(text)
            self._member(f"sums/{self._count:08d}", len(text), [text])

    def _member(self, name: str, size: int, pieces: Iterable[bytes]) -> str:
        info = tarfile.TarInfo(name)
        info.size, info.mode = size, 0o600
        self._out.write(info.tobuf(tarfile.GNU_FORMAT, "ascii"))
        digest, written = sha256(), 0
        for piece in pieces:
            digest.update(piece)
            written += self._out.write(piece)
        if written != size:
            raise OSError(0, f"`{name}` changed while it was read")
        self._out.write(bytes(-size % BLOCK))
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Member:
    """A member; whoever takes its content reads `pieces` before asking for the next member."""

    name: str
    size: int
    pieces: Iterator[bytes]

    @property
    def collection(self) -> str:
        return self.name.partition("/")[0]

    def content(self) -> bytes:
        """Return all of it.

        Raises:
            BadStructure: it is damaged, or longer than such a member gets.
        """
        if self.size > IN_MEMORY:
            raise BadStructure(f"`{self.name}` has `{self.size}` bytes; that is no backup's.")
        return b"".join(self.pieces)


class Reader:
    """Reads a file once; `manifest` is there, and all was as it says, when `members` ended."""

    def __init__(self, file: BinaryIO) -> None:
        self.manifest: Json = {}
        self._in = gzip.GzipFile(fileobj=file, mode="rb")
        self._sums: list[str] = []
        self._all = sha256()
        self._digest = sha256()

    def members(self) -> Iterator[Member]:
        """Yield what is kept in the file, in order.

        Raises:
            BadStructure: the file is damaged, was cut or edited, or is no backup.
        """
        while True:
            member = self._next()
            if member.name == MANIFEST:
                self._end(member)
                return
            if member.name.startswith("sums/"):
                self._compare(member)
                continue
            yield member
            for _ in member.pieces:  # what nobody took
                pass
            self._sums.append(f"{self._digest.hexdigest()}  {member.name}\n")
            if len(self._sums) > SUMS:
                raise BadStructure(f"The sums of `{SUMS}` members are missing.")

    def _next(self) -> Member:
        try:
            info = tarfile.TarInfo.frombuf(self._exactly(BLOCK), "ascii", "strict")
        except (tarfile.HeaderError, ValueError):
            raise BadStructure("The file is damaged, or is no backup of MedFlow.") from None
        # `type` first: a link or a device has no content that could be meant.
        if info.type != tarfile.REGTYPE or info.size < 0 or not _NAMES.fullmatch(info.name):
            raise BadStructure(f"`{info.name[:100]}` is not a member of a backup.")
        self._digest = sha256()
        return Member(info.name, info.size, self._pieces(info.size))

    def _pieces(self, size: int) -> Iterator[bytes]:
        left = size
        while left:
            piece = self._exactly(min(left, PIECE))
            self._digest.update(piece)
            left -= len(piece)
            yield piece
        self._exactly(-size % BLOCK)

    def _exactly(self, size: int) -> bytes:
        try:
            data = self._in.read(size)
        except _FAULTS:
            raise BadStructure("The file is damaged, or ends too early.") from None
        if len(data) != size:
            raise BadStructure("The file ends too early.")
        return data

    def _compare(self, member: Member) -> None:
        text = member.content()
        if text != "".join(self._sums).encode():
            raise BadStructure(f"The members before `{member.name}` are not what was written.")
        self._sums = []
        self._all.update(text)

    def _end(self, member: Member) -> None:
        try:
            manifest = json.loads(member.content())
        except ValueError:
            manifest = None
        if not isinstance(manifest, dict) or not isinstance(manifest.get("documents"), dict):
            raise BadStructure("The manifest is not that of a backup.")
        if manifest.get("format") != FORMAT:
            raise BadStructure(
                f"The file has format `{str(manifest.get('format'))[:20]}`; `{FORMAT}` is known."
                " Restore it with the version of MedFlow that made it."
            )
        if self._sums or manifest.get("sha256") != self._all.hexdigest():
            raise BadStructure("The manifest does not agree with the members.")
        if any(self._exactly(2 * BLOCK)) or self._rest():
            raise BadStructure("Something follows the end of the backup.")
        self.manifest = manifest

    def _rest(self) -> bytes:
        """Return what follows; reading on is also what has gzip compare its own checksum."""
        try:
            return self._in.read(1)
        except _FAULTS:
            raise BadStructure("The file is damaged behind its end.") from None
