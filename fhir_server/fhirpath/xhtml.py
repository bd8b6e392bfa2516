"""Narrative: which XHTML R4 allows in it.

https://hl7.org/fhir/R4/narrative.html#xhtml
"""

from __future__ import annotations

import html.entities
import re
from typing import Final
from xml.parsers import expat

_NAMESPACE: Final = "http://www.w3.org/1999/xhtml"
_ELEMENTS: Final = frozenset(
    [
        "a",
        "abbr",
        "acronym",
        "b",
        "big",
        "blockquote",
        "br",
        "caption",
        "cite",
        "code",
        "col",
        "colgroup",
        "dd",
        "dfn",
        "div",
        "dl",
        "dt",
        "em",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "i",
        "img",
        "ins",
        "kbd",
        "li",
        "ol",
        "p",
        "pre",
        "q",
        "samp",
        "small",
        "span",
        "strong",
        "sub",
        "sup",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "tt",
        "ul",
        "var",
    ]
)
_ATTRIBUTES: Final = frozenset(
    [
        "abbr",
        "accesskey",
        "align",
        "alt",
        "axis",
        "border",
        "cellhalign",
        "cellpadding",
        "cellspacing",
        "cellvalign",
        "char",
        "charoff",
        "charset",
        "cite",
        "class",
        "colspan",
        "compact",
        "coords",
        "dir",
        "frame",
        "headers",
        "height",
        "href",
        "hreflang",
        "hspace",
        "id",
        "lang",
        "longdesc",
        "name",
        "nowrap",
        "rel",
        "rev",
        "rowspan",
        "rules",
        "scope",
        "shape",
        "span",
        "src",
        "start",
        "style",
        "summary",
        "tabindex",
        "title",
        "type",
        "valign",
        "value",
        "vspace",
        "width",
    ]
)
_ENTITY: Final = re.compile(r"&([A-Za-z][A-Za-z0-9]{1,31};)")
_SAFE_ENTITIES: Final = frozenset({"amp;", "lt;", "gt;", "quot;", "apos;"})
_DEEPEST: Final = 200


def is_narrative(text: str) -> bool:
    """Return whether a text is one `div` of allowed elements that shows something."""
    reader = _Reader()
    try:
        reader.parser.Parse(_with_characters(text).encode("utf-8"), True)
    except (expat.ExpatError, UnicodeEncodeError, ValueError):
        return False
    return reader.valid and reader.shows


def _with_characters(text: str) -> str:
    """Return the text with XHTML's named characters, such as `&nbsp;`, as themselves."""

    def plain(match: re.Match[str]) -> str:
        name = match[1]
        return match[0] if name in _SAFE_ENTITIES else html.entities.html5.get(name, match[0])

    return _ENTITY.sub(plain, text)


class _Reader:
    """What was seen so far; a fault is never forgotten."""

    __slots__ = ("depth", "parser", "shows", "valid")

    def __init__(self) -> None:
        self.depth = 0
        self.valid = True
        self.shows = False
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.StartDoctypeDeclHandler = self._forbidden
        self.parser.ProcessingInstructionHandler = self._forbidden

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, local = name.rpartition(" ")
        self.depth += 1
        self.valid = (
            self.valid
            and namespace == _NAMESPACE
            and local in _ELEMENTS
            and (self.depth > 1 or local == "div")
            and all(_is_allowed(*pair) for pair in attributes.items())
        )
        self.shows = self.shows or local == "img"
        if self.depth > _DEEPEST:
            raise ValueError("nested too deeply")

    def _end(self, _: str) -> None:
        self.depth -= 1

    def _text(self, text: str) -> None:
        self.shows = self.shows or bool(text.strip())

    def _forbidden(self, *_: object) -> None:
        raise ValueError("a document type or an instruction has no place in a narrative")


def _is_allowed(name: str, value: str) -> bool:
    if name.startswith("http://www.w3.org/XML/1998/namespace "):
        return name.endswith((" lang", " space"))
    script = re.sub(r"[\s\x00-\x1f]", "", value).lower().startswith(("javascript:", "vbscript:"))
    return name in _ATTRIBUTES and not script
