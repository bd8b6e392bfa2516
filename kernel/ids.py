"""Logical ids: new ones, and deterministic ones for derived resources.

https://hl7.org/fhir/R4/resource.html#id
"""

from __future__ import annotations

import hashlib
import re
import uuid
from typing import Final

NAMESPACE: Final = uuid.UUID("6f0e5f0a-6d64-5d1f-9d54-3a1f5d4f4d46")
"""Root of every deterministic id that MedFlow makes. Never change it: replays rely on it."""

_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")


def new() -> str:
    """Return a new logical id, a random UUID."""
    return str(uuid.uuid4())


def derived(*parts: str) -> str:
    """Return the id of a resource that is made from something else: same parts, same id.

    Parts are joined unambiguously, so `("a", "bc")` and `("ab", "c")` differ. They come from other
    people's messages: half a surrogate pair is one more character here, as `uuid5` has it not.
    """
    name = "\x1f".join(parts).encode("utf-8", "surrogatepass")
    digest = hashlib.sha1(NAMESPACE.bytes + name, usedforsecurity=False).digest()
    return str(uuid.UUID(bytes=digest[:16], version=5))


def valid(id: str) -> bool:
    """Return whether `id` has the form of a FHIR id."""
    return _ID.fullmatch(id) is not None
