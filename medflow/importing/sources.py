"""Which files there are to import, and what kind each is of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

Kind = Literal["json", "ndjson", "hl7", "dicom"]

SUFFIXES: Final[dict[str, Kind]] = {
    ".json": "json",
    ".json.gz": "json",
    ".ndjson": "ndjson",
    ".ndjson.gz": "ndjson",
    ".jsonl": "ndjson",
    ".jsonl.gz": "ndjson",
    ".hl7": "hl7",
    ".dcm": "dicom",
}


REFERRED_TO: Final = ("hospital", "organization", "location", "practitioner")
"""How files begin that the others refer to, in Synthea's naming; to begin with them saves time."""


@dataclass(frozen=True, slots=True)
class Source:
    """One file, and how it is read."""

    path: Path
    kind: Kind


def sources(paths: Iterable[Path]) -> tuple[list[Source], int]:
    """Return the files to import, and how many there are of another kind.

    They are in name order, except that files that others are known to refer to come first.
    """
    found, others = [], 0
    for path in _files(paths):
        kind = kind_of(path)
        if kind is None:
            others += 1
        else:
            found.append(Source(path, kind))
    return sorted(found, key=_rank), others


def kind_of(path: Path) -> Kind | None:
    """Return the kind by the name, else by the first bytes: DICOM files often have no suffix."""
    name = path.name.lower()
    for suffix, kind in SUFFIXES.items():
        if name.endswith(suffix):
            return kind
    with path.open("rb") as file:  # PS3.10 §7.1: 128 bytes of preamble, then the prefix
        return "dicom" if file.read(132)[128:] == b"DICM" else None


def _rank(source: Source) -> int:
    name = source.path.name.lower()
    return next((n for n, start in enumerate(REFERRED_TO) if name.startswith(start)), 99)


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(file for file in path.rglob("*") if file.is_file())
        else:
            yield path
