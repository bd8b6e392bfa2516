"""Versions of packages: their order, and whether one is what somebody asked for.

https://hl7.org/fhir/R5/packages.html
https://semver.org
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

ANY: Final = frozenset({"", "*", "latest", "x"})
_NUMBER: Final = re.compile(r"\d{1,18}")
Rank = tuple[tuple[tuple[int, int, str], ...], bool, tuple[tuple[int, int, str], ...]]


def rank(version: str) -> Rank:
    """Return what versions are sorted by: `1.10.0` is after `1.9.0`, and after `1.10.0-ballot`."""
    release, _, label = version.partition("+")[0].partition("-")
    return _parts(release), not label, _parts(label)


def newest(versions: Iterable[str]) -> str:
    """Return the last release, or the last version if none is released; "" of none."""
    listed = sorted(versions, key=rank)
    released = [version for version in listed if "-" not in version]
    return (released or listed or [""])[-1]


def satisfies(version: str, wanted: str) -> bool:
    """Return whether a version is the one that is wanted: `6.1.0`, `6.1.x`, `6.x`, or `latest`."""
    if wanted in ANY or version == wanted:
        return True
    parts = wanted.split(".")
    if "x" not in parts:
        return False
    fixed = parts[: parts.index("x")]
    return "-" not in version and version.split(".")[: len(fixed)] == fixed


def exact(wanted: str) -> bool:
    """Return whether only one version can be meant."""
    return wanted not in ANY and "x" not in wanted.split(".")


def _parts(text: str) -> tuple[tuple[int, int, str], ...]:
    """Numbers count as numbers, and come before words."""
    return tuple(
        (0, int(part), "") if _NUMBER.fullmatch(part) else (1, 0, part)
        for part in text.split(".")
        if part
    )
