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
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kernel.errors import BadValue

KEY_BYTES: Final = 32
_NONCE: Final = 12
_LONGEST: Final = 1 << 16
_FOREIGN: Final = "`_page` is not of a link of this server. Follow a `next` link as it is."


def seal(key: bytes, content: dict[str, Any]) -> str:
    """Return JSON-like content as text for a URL; `key` has `KEY_BYTES` bytes."""
    nonce = secrets.token_bytes(_NONCE)
    plain = zlib.compress(msgspec.json.encode(content), 1)
    return (
        base64.urlsafe_b64encode(nonce + AESGCM(key).encrypt(nonce, plain, None))
        .rstrip(b"=")
        .decode()
    )


def unseal(key: bytes, text: str) -> dict[str, Any]:
    """Return what `seal` was given.

    Raises:
        BadValue: it was not sealed with this key.
    """
    try:
        sealed = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        plain = AESGCM(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], None)
        content: dict[str, Any] = msgspec.json.decode(zlib.decompress(plain, bufsize=_LONGEST))
    except (ValueError, binascii.Error, InvalidTag):
        raise BadValue(_FOREIGN) from None
    return content
