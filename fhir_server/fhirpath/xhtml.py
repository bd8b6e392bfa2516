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
    return not fault(text)


def fault(text: str) -> str:
    """Return what is wrong with a narrative, as a sentence; "" if nothing is."""
    reader = _Reader()
    try:
        reader.parser.Parse(_with_characters(text).encode("utf-8"), True)
    except expat.ExpatError as error:
        return f"The text is not well-formed XHTML: {error}."
    except UnicodeEncodeError:
        return "The text holds half a surrogate pair."
    except _Refused as refused:
        return str(refused)
    return "" if reader.shows else "The text shows nothing: neither characters nor an image."


class _Refused(Exception):
    """Something has no place in a narrative; the message says what."""


def _with_characters(text: str) -> str:
    """Return the text with XHTML's named characters, such as `&nbsp;`, as themselves."""

    def plain(match: re.Match[str]) -> str:
        name = match[1]
        return match[0] if name in _SAFE_ENTITIES else html.entities.html5.get(name, match[0])

    return _ENTITY.sub(plain, text)


class _Reader:
    """What was seen so far."""

    __slots__ = ("depth", "parser", "shows")

    def __init__(self) -> None:
        self.depth = 0
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
        if self.depth == 1 and local != "div":
            raise _Refused(f"The text begins with `<{local[:60]}>`, expected one `<div>`.")
        if namespace != _NAMESPACE:
            raise _Refused(
                f"`<{local[:60]}>` is not in the namespace of XHTML, expected"
                f' `xmlns="{_NAMESPACE}"` on the `<div>`.'
            )
        if local not in _ELEMENTS:
            raise _Refused(f"`<{local[:60]}>` is not an element that a narrative may have.")
        for attribute, value in attributes.items():
            if not _is_allowed(attribute, value):
                raise _Refused(
                    f"`{attribute.rpartition(' ')[2][:60]}` of `<{local}>` is not an attribute"
                    " that a narrative may have."
                )
        self.shows = self.shows or local == "img"
        if self.depth > _DEEPEST:
            raise _Refused(f"The text is nested deeper than {_DEEPEST} elements.")

    def _end(self, _: str) -> None:
        self.depth -= 1

    def _text(self, text: str) -> None:
        self.shows = self.shows or bool(text.strip())

    def _forbidden(self, *_: object) -> None:
        raise _Refused("A document type or a processing instruction has no place in a narrative.")


def _is_allowed(name: str, value: str) -> bool:
    if name.startswith("http://www.w3.org/XML/1998/namespace "):
        return name.endswith((" lang", " space"))
    script = re.sub(r"[\s\x00-\x1f]", "", value).lower().startswith(("javascript:", "vbscript:"))
    return name in _ATTRIBUTES and not script
