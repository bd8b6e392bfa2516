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

# Each begins with a literal, which the regex engine finds by a scan of memory.
_URN: Final = re.compile(rb'"(urn:(?:uuid|oid):[^"\\]{1,200})"')
_URL: Final = re.compile(rb'"(https?://[^"\\]{1,400})"')
_VALUE: Final = re.compile(rb'"value"\s*:\s*$')
_CRITERIA: Final = re.compile(rb'"reference"\s*:\s*("[A-Z][A-Za-z]{1,60}\?(?:[^"\\]|\\.){1,1000}")')


def conditional(bodies: Iterable[bytes]) -> list[str]:
    """Return every distinct conditional reference, `Type?criteria`, in order of appearance."""
    found: dict[str, None] = {}
    for body in bodies:
        for match in _CRITERIA.finditer(body):
            found.setdefault(_text(match[1]))
    return list(found)


class Targets:
    """What placeholders stand for: keys are `fullUrl`s and criteria, values `Type/id`."""

    def __init__(self, targets: Mapping[str, str]) -> None:
        self._targets = {
            key.encode(): b'"' + value.encode() + b'"' for key, value in targets.items()
        }
        self._urns = any(key.startswith("urn:") for key in targets)
        self._urls = any(key.startswith("http") for key in targets)
        self._criteria = any("?" in key for key in targets)

    def rewrite(self, body: bytes) -> bytes:
        """Return the body with each placeholder replaced; one that is not known stays as it is."""
        if self._urns:
            body = _URN.sub(self._placeholder, body)
        if self._urls:
            body = _URL.sub(self._placeholder, body)
        if self._criteria:
            body = _CRITERIA.sub(self._reference, body)
        return body

    def _placeholder(self, match: re.Match[bytes]) -> bytes:
        target = self._targets.get(match[1])
        # 16 bytes hold `"value"` and the spaces around a colon that people write.
        start = match.start()
        if target is None or _VALUE.search(match.string, max(0, start - 16), start):
            return match[0]
        return target

    def _reference(self, match: re.Match[bytes]) -> bytes:
        target = self._targets.get(_text(match[1]).encode())
        return match[0] if target is None else match[0][: -len(match[1])] + target


def _text(raw: bytes) -> str:
    text: str = msgspec.json.decode(raw, type=str)
    return text
