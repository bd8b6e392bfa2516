"""Where a page ends and the next one starts: a position in the order, not a count of rows.

https://hl7.org/fhir/R4/http.html#paging
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, Final

import msgspec

from kernel.errors import BadValue

if TYPE_CHECKING:
    from collections.abc import Mapping

SORTS: Final[Mapping[str, tuple[tuple[str, int], ...]]] = {
    "-d": (("d", -1), ("_id", 1)),
    "d": (("d", 1), ("_id", -1)),
    "-u": (("u", -1), ("_id", 1)),
    "u": (("u", 1), ("_id", -1)),
    "_id": (("_id", 1),),
    "-_id": (("_id", -1),),
}
"""The orders that an index keeps. Each ends in the key, so that no two documents are equal."""

_POSITION: Final = msgspec.json.Decoder(tuple[str, int, str])
_INT64: Final = 1 << 63


def write(sort: str, value: int, key: str) -> str:
    """Return the position of a document as text for a URL; `key` is its `Type/id`."""
    # The driver reads 64-bit integers as a subclass of int, which the encoder refuses.
    content = msgspec.json.encode((sort, int(value), key))
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def position(text: str, type: str, sort: str) -> tuple[int, str]:
    """Return the sort value and the key in a `_page`.

    Raises:
        BadValue: we did not write it, or for another search.
    """
    try:
        content = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        written, value, key = _POSITION.decode(content)
    except (UnicodeEncodeError, binascii.Error, msgspec.MsgspecError, ValueError):
        raise BadValue("`_page` is not of a `next` link of this server.") from None
    if written != sort or not key.startswith(f"{type}/") or not -_INT64 <= value < _INT64:
        raise BadValue("`_page` is of a `next` link of another search.")
    return value, key


def after(sort: str, cursor: tuple[int, str]) -> dict[str, Any]:
    """Return the filter of the documents that come after a position."""
    (field, direction), *rest = SORTS[sort]
    value, key = cursor
    if not rest:
        return {"_id": {_beyond(direction): key}}
    tie = {"_id": {_beyond(rest[0][1]): key}}
    # The first bound repeats what follows, so that the index starts at the position.
    return {
        field: {f"{_beyond(direction)}e": value},
        "$or": [{field: {_beyond(direction): value}}, tie],
    }


def _beyond(direction: int) -> str:
    return "$gt" if direction > 0 else "$lt"
