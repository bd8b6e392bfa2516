"""Weak entity tags: `W/"3"` is version 3.

https://hl7.org/fhir/R4/http.html#versioning
"""

from __future__ import annotations

import re
from typing import Final

from kernel.errors import BadValue

_TAG: Final = re.compile(r'\s*(?:W/)?"(\d{1,9})"\s*', re.ASCII)


def version_of(tag: str) -> int:
    """Return the version that an `If-Match` names; 0 means that there must be none yet.

    Raises:
        BadValue: it is not an entity tag of ours.
    """
    match = _TAG.fullmatch(tag)
    if match is None:
        raise BadValue(f'`{tag[:80]}` is not an entity tag; one such as `W/"3"` is expected.')
    return int(match[1])


def etag(version: int) -> str:
    """Return the entity tag of a version."""
    return f'W/"{version}"'
