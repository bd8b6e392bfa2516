"""References inside a transaction: placeholders and criteria become `Type/id`.

https://hl7.org/fhir/R4/http.html#trules

Works on the resources' bytes: a JSON string that is exactly a placeholder is replaced wherever R4
has a uri, url, canonical or reference, so not in `value` of an Identifier and not in narrative.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PLACEHOLDER: Final = re.compile(
    rb'("value"\s*:\s*)?"((?:urn:uuid:|urn:oid:|https?://)[^"\\]{1,400})"'
)
_CRITERIA: Final = re.compile(
    rb'("reference"\s*:\s*)("[A-Z][A-Za-z]{1,60}\?(?:[^"\\]|\\.){1,1000}")'
)


def conditional(bodies: Iterable[bytes]) -> list[str]:
    """Return every distinct conditional reference, `Type?criteria`, in order of appearance."""
    found: dict[str, None] = {}
    for body in bodies:
        for match in _CRITERIA.finditer(body):
            found.setdefault(_text(match[2]))
    return list(found)


def rewrite(body: bytes, targets: Mapping[str, str]) -> bytes:
    """Return the body with each key of `targets` replaced by its value.

    Keys are `fullUrl`s, values `Type/id`; a versioned or unknown placeholder stays as it is.
    """
    if not targets:
        return body
    body = _PLACEHOLDER.sub(lambda match: _placeholder(match, targets), body)
    return _CRITERIA.sub(lambda match: _criteria(match, targets), body)


def _placeholder(match: re.Match[bytes], targets: Mapping[str, str]) -> bytes:
    target = targets.get(match[2].decode("utf-8", "replace"))
    if target is None or match[1]:
        return match[0]
    return b'"' + target.encode() + b'"'


def _criteria(match: re.Match[bytes], targets: Mapping[str, str]) -> bytes:
    target = targets.get(_text(match[2]))
    return match[0] if target is None else match[1] + b'"' + target.encode() + b'"'


def _text(raw: bytes) -> str:
    text: str = msgspec.json.decode(raw, type=str)
    return text
