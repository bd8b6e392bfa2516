"""The files of a `.tgz`, read as a stream: nothing is unpacked, and nothing grows without a limit.

https://hl7.org/fhir/R5/packages.html
https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html

What arrives may be hostile, so this reads as much of tar as a package needs (ustar, pax and GNU
names) and refuses the rest, links included.
"""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final, NamedTuple

from kernel.errors import BadStructure, TooLarge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LONGEST: Final = 1 << 30
"""Most bytes that an archive may hold, unpacked."""
LONGEST_FILE: Final = 32 << 20
MOST_FILES: Final = 100_000
LONGEST_NAME: Final = 64 << 10  # bytes of a header that only holds a name
BLOCK: Final = 512
_PIECE: Final = 1 << 20
_FILES: Final = frozenset({b"0", b"\0", b"7"})
_NAMES: Final = frozenset({b"x", b"g", b"L", b"K"})
_FOLDER: Final = b"5"
_NEVER: Final = frozenset(range(32)) | {127, ord("\\"), ord(":")}


class File(NamedTuple):
    """A file of the archive; the path has no leading `./`."""

    path: str
    content: bytes


@dataclass(frozen=True, slots=True)
class _Header:
    """`type` is the character that says what follows, `size` how many bytes of it."""

    name: str
    size: int
    type: bytes


class _Stream:
    """Gives exact numbers of unpacked bytes, and no more than `LONGEST` in all."""

    def __init__(self, source: IO[bytes]) -> None:
        self._unpacked = gzip.GzipFile(fileobj=source, mode="rb")
        self._left = LONGEST

    def take(self, size: int) -> bytes:
        """Return the next bytes, fewer at the end. Raises BadStructure, TooLarge."""
        try:
            found = self._unpacked.read(size)
        except (EOFError, OSError, zlib.error) as error:
            said = str(error).rstrip(".")
            raise BadStructure(f"The package is no whole gzip file: {said}.") from None
        self._left -= len(found)
        if self._left < 0:
            raise TooLarge(f"The package is longer than {LONGEST >> 20} MB when it is unpacked.")
        return found

    def need(self, size: int) -> bytes:
        """Return the next bytes, all of them."""
        found = self.take(size)
        if len(found) < size:
            raise BadStructure("The package ends in the middle of a file.")
        return found

    def skip(self, size: int) -> None:
        while size > 0:
            size -= len(self.need(min(size, _PIECE)))

    def drain(self) -> None:
        """Read to the end: only there gzip tells whether all was as it was packed."""
        while self.take(_PIECE):
            pass


def files(source: IO[bytes], wanted: Callable[[str], bool]) -> Iterator[File]:
    """Yield the files whose path is `wanted`, in the order of the archive.

    Raises:
        BadStructure: not a gzipped tar, cut short, damaged, or with a path that leads out of it.
        TooLarge: one of the limits above.
    """
    stream = _Stream(source)
    named = ""
    count = 0
    while (header := _header(stream)) is not None:
        count += 1
        if count > MOST_FILES:
            raise TooLarge(f"The package holds more than {MOST_FILES} files.")
        if header.type in _NAMES:
            named = _named(stream, header) or named
            continue
        path = _path(named or header.name)
        named = ""
        if header.type in _FILES and wanted(path):
            yield File(path, _content(stream, path, header.size))
        elif header.type in _FILES or header.type == _FOLDER:
            stream.skip(_padded(header.size))
        else:
            raise BadStructure(f"`{path[:200]}` is a link or a device; a package holds files only.")
    stream.drain()
    if not count:
        raise BadStructure("The package is empty.")


def _header(stream: _Stream) -> _Header | None:
    """Return the next header; None at the end, which is two empty blocks or that of the bytes."""
    block = stream.take(BLOCK)
    if not block or not any(block):
        return None
    if len(block) < BLOCK:
        raise BadStructure("The package ends in the middle of a header.")
    unsigned = sum(block[:148]) + 8 * ord(" ") + sum(block[156:])
    if _number(block[148:156]) != unsigned:
        raise BadStructure("The package is no tar archive: the checksum of a header is wrong.")
    name = _text(block[:100])
    prefix = _text(block[345:500]) if block[257:263] == b"ustar\0" else ""
    return _Header(f"{prefix}/{name}" if prefix else name, _number(block[124:136]), block[156:157])


def _number(field: bytes) -> int:
    """Return an octal number, or a binary one as GNU writes those that are too long for octal."""
    if field[0] & 0x80:
        value = int.from_bytes(field, "big") - (0x80 << 8 * (len(field) - 1))
        if field[0] == 0x80 and value <= LONGEST:
            return value
        raise TooLarge(f"The package names a file longer than {LONGEST_FILE >> 20} MB.")
    digits = field.strip(b" \0")
    if not all(digit in b"01234567" for digit in digits):
        raise BadStructure("The package is no tar archive: a number of a header is not octal.")
    return int(digits or b"0", 8)


def _named(stream: _Stream, header: _Header) -> str:
    """Return the path that the next file has, as a header of its own says it; "" for none."""
    if header.size > LONGEST_NAME:
        raise TooLarge(f"The package has a name longer than {LONGEST_NAME >> 10} kB.")
    said = stream.need(_padded(header.size))[: header.size]
    if header.type == b"L":
        return _text(said)
    return _pax(said).get("path", "") if header.type == b"x" else ""


def _pax(said: bytes) -> dict[str, str]:
    """Return the records `length key=value`, each ended by a line feed."""
    found: dict[str, str] = {}
    while said:
        digits = said.partition(b" ")[0]
        length = int(digits) if digits.isdigit() and len(digits) < 8 else 0
        record, said = said[:length], said[length:]
        key, equals, value = record[len(digits) + 1 :].partition(b"=")
        if len(record) != length or not equals or not record.endswith(b"\n"):
            raise BadStructure("The package has an extended header that cannot be read.")
        name = _text(key)
        if name in {"size", "GNU.sparse.size", "GNU.sparse.realsize"}:
            raise BadStructure(f"The package has a file with a header `{name}`; pack it again.")
        found[name] = _text(value[:-1])
    return found


def _content(stream: _Stream, path: str, size: int) -> bytes:
    if size > LONGEST_FILE:
        raise TooLarge(f"`{path}` is longer than {LONGEST_FILE >> 20} MB.")
    content = stream.need(size)
    stream.skip(_padded(size) - size)
    return content


def _path(name: str) -> str:
    """Return a path that stays inside the archive. Raises BadStructure."""
    path = name.removeprefix("./").rstrip("/")
    odd = any(ord(character) in _NEVER for character in path)
    if odd or path.startswith("/") or ".." in path.split("/"):
        raise BadStructure(f"The path `{ascii(name)[1:-1][:200]}` leads out of the package.")
    return path


def _text(field: bytes) -> str:
    try:
        return field.partition(b"\0")[0].decode()
    except UnicodeDecodeError:
        raise BadStructure("The package has a file name that is not UTF-8.") from None


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
