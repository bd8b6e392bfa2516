"""The words of a resource: of its narrative, or of all its text.

https://hl7.org/fhir/R4/search.html#content
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from fhir_server.search.words import folded_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fhir_server.search.nodes import Text

_INLINE: Final = re.compile(
    r"</?(?:a|abbr|acronym|b|big|cite|code|dfn|em|i|q|samp|small|span|strong|sub|sup|tt|var)"
    r"(?:\s[^<>]*)?>"
)
"""Tags within a word: `<b>meta</b>stases` is one."""
_TAG: Final = re.compile(r"<[^<>]*>")
_SKIPPED: Final = frozenset({"resourceType", "id", "meta", "data", "reference", "system", "url"})
"""Members whose strings nobody reads: keys, places, encoded content."""


class _Narrated(msgspec.Struct):
    text: dict[str, Any] | None = None


_NARRATED: Final = msgspec.json.Decoder(_Narrated)


def holds(body: bytes, node: Text) -> bool:
    """Return whether a resource has the words that are looked for."""
    return node.words(_words(_narrative(body) if node.narrative else _all(body)))


def _words(text: str) -> str:
    return f" {folded_words(text)}"


def _narrative(body: bytes) -> str:
    text = _NARRATED.decode(body).text
    div = text.get("div") if text else None
    return _shown(div) if isinstance(div, str) else ""


def _shown(div: str) -> str:
    """Return the text of a narrative as it is read."""
    return html.unescape(_TAG.sub(" ", _INLINE.sub("", div)))


def _all(body: bytes) -> str:
    return " ".join(_strings(msgspec.json.decode(body)))


def _strings(value: Any, name: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for member, inner in value.items():
            if member not in _SKIPPED:
                yield from _strings(inner, member)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner, name)
    elif isinstance(value, str):
        yield _shown(value) if name == "div" else value
