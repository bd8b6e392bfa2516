"""What a DICOMweb client accepts.

DICOM PS3.18 §8.3.3 (media types), §8.7.5 (Accept); RFC 9110 §12.5.1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PART: Final = re.compile(r'(?:[^,;"]|"(?:[^"\\]|\\.)*")+|[,;]')


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One entry of the header; `type` may hold `*`, parameter names are in lower case."""

    type: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    quality: float = 1.0


def parse(header: str) -> list[MediaRange]:
    """Return the media ranges that are accepted at all, best first; no header accepts anything."""
    found = [_range(part) for part in _split(header) if part] or [MediaRange("*/*")]
    wanted = [one for one in found if one.quality > 0]
    return sorted(wanted, key=lambda one: -one.quality)


def _split(header: str) -> Iterator[list[str]]:
    current: list[str] = []
    for match in _PART.finditer(header):
        part = match[0].strip()
        if part == ",":
            yield current
            current = []
        elif part not in {"", ";"}:
            current.append(part)
    yield current


def _range(parts: list[str]) -> MediaRange:
    parameters = {}
    for part in parts[1:]:
        name, _, value = part.partition("=")
        parameters[name.strip().lower()] = value.strip().strip('"')
    try:
        quality = float(parameters.pop("q", "1"))
    except ValueError:
        quality = 0.0
    return MediaRange(parts[0].lower(), parameters, quality)


def related(wanted: list[MediaRange], syntaxes: frozenset[str]) -> bool:
    """Return whether `multipart/related; type="application/dicom"` in these syntaxes will do.

    Images are sent as they are stored: a range that names another transfer syntax cannot be met.
    """
    return any(
        one.type in {"*/*", "multipart/*", "multipart/related"}
        and one.parameters.get("type", "application/dicom") in {"application/dicom", "*/*"}
        and _syntax(one, syntaxes)
        for one in wanted
    )


def single(wanted: list[MediaRange], syntaxes: frozenset[str]) -> bool:
    """Return whether `application/dicom`, one instance as the body, is asked for first."""
    best = wanted[0] if wanted else None
    return best is not None and best.type == "application/dicom" and _syntax(best, syntaxes)


def json(wanted: list[MediaRange]) -> bool:
    """Return whether `application/dicom+json` will do."""
    return any(
        one.type in {"*/*", "application/*", "application/json", "application/dicom+json"}
        for one in wanted
    )


def _syntax(one: MediaRange, syntaxes: frozenset[str]) -> bool:
    asked = one.parameters.get("transfer-syntax", "*")
    return asked == "*" or syntaxes == {asked}
