"""FHIR JSON: strict reading, exact numbers, and the bytes that are stored and sent.

https://hl7.org/fhir/R4/json.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Final

import msgspec

from kernel import clock
from kernel.errors import BadStructure

NESTING: Final = 64
"""Deepest nesting of objects and arrays that is read."""

_DIGITS: Final = 64  # longest number, in characters
_EXPONENT: Final = 999  # largest exponent: a short text must not become a gigabyte of zeros
_HUGE: Final = Decimal("1E9999")
_BOM: Final = b"\xef\xbb\xbf"
_ONE_BRACE: Final = bytes.maketrans(b"[]", b"{}")
_NO_SKELETON: Final = bytes(byte for byte in range(256) if byte not in b'{}[]"')
_SERVER_META: Final = ("versionId", "lastUpdated", "_versionId", "_lastUpdated")
_AT: Final = re.compile(r"^(?:JSON is malformed: )?(.*?)(?: \(byte (\d+)\))?$", re.DOTALL)
_HALF: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)
_ROOT: Final = " - at `$"


def _number(text: str) -> Decimal:
    try:
        value = Decimal(text) if len(text) <= _DIGITS else _HUGE
    except InvalidOperation:
        value = _HUGE
    if abs(value.adjusted()) > _EXPONENT:
        raise ValueError(f"the number `{text[:20]}` is too long or too large to be kept exactly")
    return value


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"`{type(value).__name__}` has no FHIR JSON form.")


_TREE: Final = msgspec.json.Decoder(dict[str, Any], float_hook=_number)
_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ENCODER: Final = msgspec.json.Encoder(enc_hook=_plain, decimal_format="number")
_SORTED: Final = msgspec.json.Encoder(
    enc_hook=_plain, decimal_format="number", order="deterministic"
)


def decode(body: bytes) -> dict[str, Any]:
    """Return one JSON object; numbers with a fraction or exponent become exact Decimals.

    Raises:
        BadStructure: not UTF-8, not JSON, not one object, a name twice in an object, nested deeper
            than `NESTING`, or a number that cannot be kept; says where, by line and column.
    """
    body = body.removeprefix(_BOM)
    try:
        tree = _TREE.decode(body)
        again = _ENCODER.encode(tree)
    except RecursionError:
        raise _too_deep() from None
    except UnicodeError:
        raise BadStructure("The body is not valid UTF-8. FHIR JSON is always UTF-8.") from None
    except (msgspec.DecodeError, ValueError) as error:
        raise _malformed(body, str(error)) from None
    # A name given twice disappears in the tree, and its two quotes with it.
    if again != body and (again.count(b'"') != body.count(b'"') or b"\\u0022" in body):
        _refuse_duplicates(body)
    if body.count(b"{") + body.count(b"[") > NESTING:
        _refuse_depth(body)
    return tree


def encode(resource: Mapping[str, Any]) -> bytes:
    """Return the resource as JSON without spaces; Decimals keep all their digits."""
    return _ENCODER.encode(resource)


def stamp(body: bytes, type: str, id: str, version: int, updated: int) -> bytes:
    """Return the bytes to store and to send: minified, our id, type, version and time in front.

    Members are copied as they were written: numbers are never serialised again. `updated` is
    milliseconds since the epoch.

    Raises:
        BadStructure: `body` is not one JSON object, or its `meta` is none.
    """
    members, meta = _split(body)
    meta["versionId"] = str(version)
    meta["lastUpdated"] = _instant(updated)
    return _ENCODER.encode({"resourceType": type, "id": id, "meta": meta, **members})


def canonical(body: bytes) -> bytes:
    """Return the content in one form, whatever the order of members, the spaces and the escapes.

    The id, version and time are left out. Numbers keep their precision.
    """
    tree: dict[str, Any] = _TREE.decode(body)
    tree.pop("id", None)
    meta = tree.get("meta")
    if isinstance(meta, dict):
        own = {name: value for name, value in meta.items() if name not in _SERVER_META}
        tree["meta"] = own
    return _SORTED.encode(tree)


def _split(body: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    body = body.removeprefix(_BOM)
    try:
        members: dict[str, Any] = _MEMBERS.decode(_minified(body))
        meta = _caller_meta(members.pop("meta", None))
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise _malformed(body, str(error)) from None
    members.pop("id", None)
    members.pop("resourceType", None)
    return members, meta


def _caller_meta(raw: msgspec.Raw | None) -> dict[str, Any]:
    """Return the members of `meta` that are the caller's own to set."""
    if raw is None:
        return {}
    meta: dict[str, Any] = _MEMBERS.decode(raw)
    for name in _SERVER_META:
        meta.pop(name, None)
    return meta


def minified(body: bytes) -> bytes:
    """Return a JSON text without the spaces between its members; numbers stay as they are.

    Raises:
        BadStructure: it is no JSON.
    """
    try:
        return msgspec.json.format(body, indent=-1)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise _malformed(body, str(error)) from None


def _minified(body: bytes) -> bytes:
    """Look where spaces would be, after the first colon: a serialiser is consistent."""
    colon = body.find(b":")
    if body[colon + 1 : colon + 2].isspace() or b"\n" in body:
        return msgspec.json.format(body, indent=-1)
    return body


@lru_cache(maxsize=64)
def _instant(updated: int) -> str:
    return clock.instant(updated)


def _too_deep() -> BadStructure:
    return BadStructure(f"The JSON is nested deeper than {NESTING} levels. Send a flatter one.")


def _refuse_depth(body: bytes) -> None:
    """Peel the brackets off level by level: C speed, and no recursion on hostile input."""
    if b"\\" in body:
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    skeleton = body.translate(None, _NO_SKELETON).replace(b'""', b"")
    if b'"' in skeleton:  # brackets inside strings
        bare = re.sub(rb'"[^"]*"', b"", body)
        skeleton = bare.translate(None, _NO_SKELETON)
    skeleton = skeleton.translate(_ONE_BRACE)
    for _ in range(NESTING):
        skeleton = skeleton.replace(b"{}", b"")
        if not skeleton:
            return
    raise _too_deep()


def _refuse_duplicates(body: bytes) -> None:
    def once(pairs: list[tuple[str, Any]]) -> None:
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise BadStructure(
                    f"The name `{name[:60]}` is given twice in one object. Give it once."
                )
            seen.add(name)

    try:
        json.loads(body, object_pairs_hook=once)
    except RecursionError:
        raise _too_deep() from None


def _malformed(body: bytes, text: str) -> BadStructure:
    half = _HALF.search(body) if "surrogate" in text or "truncated" in text else None
    if half:
        line, column = _position(body, half.start())
        return BadStructure(
            f"The JSON has half of a surrogate pair, `{half[0].decode()}`, at line {line}, column"
            f" {column}: no text has that. Send both halves, or neither."
        )
    found = _AT.match(text.partition(_ROOT)[0])
    what, byte = found.groups() if found else (text, None)
    if byte is None:
        return BadStructure(f"The body is not one JSON object: {what[:120].rstrip('.')}.")
    line, column = _position(body, int(byte))
    return BadStructure(f"The JSON is malformed at line {line}, column {column}: {what}.")


def _position(body: bytes, byte: int) -> tuple[int, int]:
    before = body[:byte]
    line_start = before.rfind(b"\n") + 1
    column = len(before[line_start:].decode("utf-8", "replace")) + 1
    return before.count(b"\n") + 1, column
