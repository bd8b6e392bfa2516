"""What `_text` and `_content` take: words, phrases, AND, OR, NOT and parentheses.

https://hl7.org/fhir/R4/search.html#content

Words are compared without case and accents, from their beginning: `metast` finds `metastases`.
Words next to each other must all be there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from fhir_server.search.strings import fold
from kernel.errors import BadValue

Words = Callable[[str], bool]
"""Whether a folded text with a space in front has what was asked for."""

MOST_TERMS: Final = 50
_MARK: Final = re.compile(r"[^\w\s]+")
_TERM: Final = re.compile(r'\s*("(?P<phrase>[^"]*)"|(?P<bracket>[()])|(?P<word>[^\s()"]+))')


def read(text: str) -> Words:
    """Return the test that a text asks for.

    Raises:
        BadValue: parentheses or operators without what belongs to them, nothing to look for, or
            more than `MOST_TERMS` terms.
    """
    terms = _terms(text)
    if not terms or len(terms) > MOST_TERMS:
        raise BadValue(f"Between 1 and {MOST_TERMS} words are looked for, not {len(terms)}.")
    found, rest = _either(terms)
    if rest:
        raise BadValue(f"`{rest[0].strip()}` does not belong where it is in the words to look for.")
    return found


def folded_words(text: str) -> str:
    """Return a text without case, accents and punctuation."""
    return fold(_MARK.sub(" ", text))


def _terms(text: str) -> list[str]:
    """Return brackets, operators in capitals, and folded terms with a space in front."""
    terms: list[str] = []
    for match in _TERM.finditer(text):
        word = match["word"]
        if match["bracket"]:
            terms.append(match["bracket"])
        elif word and word.upper() in {"AND", "OR", "NOT"}:
            terms.append(word.upper())
        elif folded := folded_words(match["phrase"] if word is None else word):
            terms.append(f" {folded}")
    return terms


def _either(terms: list[str]) -> tuple[Words, list[str]]:
    one, rest = _both(terms)
    while rest and rest[0] == "OR":
        other, rest = _both(rest[1:])
        one = _any(one, other)
    return one, rest


def _both(terms: list[str]) -> tuple[Words, list[str]]:
    one, rest = _single(terms)
    while rest and rest[0] not in {"OR", ")"}:
        other, rest = _single(rest[1:] if rest[0] == "AND" else rest)
        one = _all(one, other)
    return one, rest


def _single(terms: list[str]) -> tuple[Words, list[str]]:
    if not terms or terms[0] in {"AND", "OR", ")"}:
        raise BadValue("An operator or a parenthesis lacks a word to look for.")
    first, rest = terms[0], terms[1:]
    if first == "NOT":
        one, rest = _single(rest)
        return _not(one), rest
    if first == "(":
        one, rest = _either(rest)
        if rest[:1] != [")"]:
            raise BadValue("A parenthesis is not closed in the words to look for.")
        return one, rest[1:]
    return (lambda text: first in text), rest


def _any(one: Words, other: Words) -> Words:
    return lambda text: one(text) or other(text)


def _all(one: Words, other: Words) -> Words:
    return lambda text: one(text) and other(text)


def _not(one: Words) -> Words:
    return lambda text: not one(text)
