"""ED, RP: documents inside of a message, or pointed to by it.

HL7 v2.5.1 §2A.24 (ED), §2A.67 (RP); tables 0191, 0291 and 0299.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Any, Final

from kernel.errors import BadStructure

if TYPE_CHECKING:
    from hl7_listener.er7 import Repetition

Json = dict[str, Any]

_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,127}")
_MAIN: Final = {
    "TEXT": "text",
    "TX": "text",
    "FT": "text",
    "IMAGE": "image",
    "IM": "image",
    "AUDIO": "audio",
    "AU": "audio",
    "APPLICATION": "application",
    "AP": "application",
    "MULTIPART": "multipart",
}
_PLAIN: Final = {"text": "plain"}


def attachment(kind: str, value: Repetition, title: str) -> Json | None:
    """Return an Attachment for an ED or RP.

    Raises:
        BadStructure: the data is not in the encoding that it claims.
    """
    if kind == "RP":
        url = value.part(1)
        found: Json = {"contentType": _media(value), "url": "".join(url.split())}
    else:
        found = {"contentType": _media(value), "data": _data(value)}
    content = found.get("url") or found.get("data")
    if not content:
        return None
    return {name: text for name, text in (found | {"title": title}).items() if text}


def _media(value: Repetition) -> str:
    given = _MAIN.get(value.part(2).upper(), "application")
    subtype = value.part(3).lower()
    if value.part(2).upper() == "PDF" or subtype == "pdf":
        return "application/pdf"
    if "/" in subtype:
        given, _, subtype = subtype.partition("/")
    if not _TOKEN.fullmatch(subtype):
        subtype = _PLAIN.get(given, "octet-stream")
    return f"{given}/{subtype}"


def _data(value: Repetition) -> str:
    encoding, text = value.part(4).upper(), value.part(5)
    if encoding == "A":
        return base64.b64encode(text.encode()).decode()
    compact = "".join(text.split())
    try:
        if encoding == "HEX":
            return base64.b64encode(bytes.fromhex(compact)).decode()
        base64.b64decode(compact, validate=True)
    except (ValueError, binascii.Error):
        raise BadStructure(f"The data is not valid `{encoding[:20] or 'Base64'}`.") from None
    return compact
