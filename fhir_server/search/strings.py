"""Strings as they are compared: without case, accents and extra white space.

https://hl7.org/fhir/R4/search.html#string

One entry holds both forms, `key=folded` and, where they differ, the exact text after a separator
that cannot occur in a folded text: one fact, one index entry, for prefix, `:contains`, `:exact`.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Final

from fhir_server.search.tokens import token

LONGEST: Final = 512
"""Characters of a text that are indexed, and most that can be asked for."""

SEPARATOR: Final = "\x1f"  # white space to `str.split`, hence never in a folded text
LAST: Final = "\U0010ffff"


def fold(text: str) -> str:
    """Return a text in the form in which strings are compared."""
    if text.isascii():
        return " ".join(text.lower().split())
    # Twice: what lower case becomes may decompose again.
    return " ".join(_stripped(_stripped(text).casefold()).split())


def _stripped(text: str) -> str:
    """Return a text without marks that combine with a letter, and without lone surrogates."""
    return "".join(
        letter
        for letter in unicodedata.normalize("NFKD", text)
        if not unicodedata.combining(letter) and not "\ud800" <= letter <= "\udfff"
    )


@cache
def short_key(type: str, key: str) -> str:
    """Return the eight letters that stand for an element in string entries."""
    return f"{token(f'{type}.{key}') & 0xFFFFFFFF:08x}="


def entry(text: str) -> str:
    """Return what is stored of a text after its key; "" if there is nothing to compare."""
    exact = text[:LONGEST]
    folded = fold(exact)
    if not folded or folded == exact:
        return folded
    return folded + SEPARATOR + safe(exact)


def safe(text: str) -> str:
    """Return a text that can be stored: no lone surrogates, no NUL."""
    return text.encode("utf-8", "ignore").decode().replace("\x00", "")
