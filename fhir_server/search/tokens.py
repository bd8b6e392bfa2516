"""Tokens: one signed 64-bit number for one searchable fact of a document.

https://hl7.org/fhir/R4/search.html#token

The text of a token is `Type.path=value`; its path is that of the element, not of a parameter, so
that parameters on one element share it. docs/search.md lists the texts.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b


@lru_cache(maxsize=1 << 16)
def token(text: str) -> int:
    """Return the token of a text: 64 bits of BLAKE2b, signed, stable for ever."""
    # Lone surrogates are not valid UTF-8, but JSON can spell them: they must not raise.
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


@lru_cache(maxsize=1 << 14)
def mark(text: str) -> int:
    """Return a fact that no index keeps: 31 bits, as few as it takes within one document."""
    return token(text) & 0x7FFFFFFF


def presence(type: str, key: str) -> int:
    """Return the mark of an element that is there."""
    return mark(f"{type}.{key}")


def type_token(type: str) -> int:
    """Return the token that every document of a type carries."""
    return token(f"_type={type}")


def compartment_token(reference: str) -> int:
    """Return the token of every document in a compartment, such as `Patient/1`."""
    return token(f"_compartment={reference}")


def plain(text: str) -> str:
    """Return a system or a value such that no other pair of them gives the same token text."""
    if "|" in text or "\\" in text:
        return text.replace("\\", "\\\\").replace("|", "\\|")
    return text
