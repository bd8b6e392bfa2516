"""Pages: the search, its moment and the place where the next page starts, sealed into one text.

https://hl7.org/fhir/R4/http.html#paging

The text is encrypted (AES-GCM), so that a link shows no criteria and nobody writes one of his own;
whoever follows it is authorised anew.
"""

from __future__ import annotations

import base64
import binascii
import secrets
import zlib
from functools import lru_cache
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kernel.errors import BadValue

KEY_BYTES: Final = 32
_NONCE: Final = 12
_LONGEST: Final = 1 << 16
PLAIN: Final = b"\x00"
PACKED: Final = b"\x01"
SHORT: Final = 400
"""Bytes up to which compression would cost more than a shorter link is worth."""
_FOREIGN: Final = "`_page` is not of a link of this server. Follow a `next` link as it is."


@lru_cache(maxsize=8)
def _cipher(key: bytes) -> AESGCM:
    return AESGCM(key)


def seal(key: bytes, content: dict[str, Any]) -> str:
    """Return JSON-like content as text for a URL; `key` has `KEY_BYTES` bytes."""
    nonce = secrets.token_bytes(_NONCE)
    written = msgspec.json.encode(content)
    plain = PACKED + zlib.compress(written, 1) if len(written) > SHORT else PLAIN + written
    sealed = nonce + _cipher(key).encrypt(nonce, plain, None)
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def unseal(key: bytes, text: str) -> dict[str, Any]:
    """Return what `seal` was given.

    Raises:
        BadValue: it was not sealed with this key.
    """
    try:
        sealed = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        plain = _cipher(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], None)
        packed, written = plain[:1] == PACKED, plain[1:]
        content: dict[str, Any] = msgspec.json.decode(
            zlib.decompress(written, bufsize=_LONGEST) if packed else written
        )
    except (ValueError, binascii.Error, InvalidTag):
        raise BadValue(_FOREIGN) from None
    return content
