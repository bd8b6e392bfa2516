"""Weak entity tags: `W/"3"` is version 3.

https://hl7.org/fhir/R4/http.html#versioning
"""

from __future__ import annotations

import re
from typing import Final

from fhir_server.model import ANY_VERSION
from kernel.errors import BadValue

_TAG: Final = re.compile(r'\s*(?:W/)?"(\d{1,9})"\s*', re.ASCII)
MOST: Final = 100
"""Entity tags in one list."""


def version_of(tag: str) -> int:
    """Return the version that an `If-Match` names; 0 means that there must be none yet.

    Raises:
        BadValue: it is not an entity tag of ours.
    """
    match = _TAG.fullmatch(tag)
    if match is None:
        raise BadValue(f'`{tag[:80]}` is not an entity tag; one such as `W/"3"` is expected.')
    return int(match[1])


def versions_of(tags: str) -> tuple[int, ...]:
    """Return the versions that a list names; `*` is `ANY_VERSION`.

    https://www.rfc-editor.org/rfc/rfc9110#section-13.1.1

    Raises:
        BadValue: one is not an entity tag of ours, or there are too many.
    """
    if tags.strip() == "*":
        return (ANY_VERSION,)
    parts = tags.split(",", MOST)
    if len(parts) > MOST:
        raise BadValue(f"More than {MOST} entity tags are given. Name the versions that you mean.")
    return tuple(version_of(part) for part in parts)


def expected(if_match: int | tuple[int, ...] | None) -> tuple[int, ...]:
    """Return the versions of which one must be current; none if nothing is demanded."""
    if if_match is None:
        return ()
    return (if_match,) if isinstance(if_match, int) else if_match


def etag(version: int) -> str:
    """Return the entity tag of a version."""
    return f'W/"{version}"'
