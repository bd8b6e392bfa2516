"""What tokens, references and uris have in common: elements that are there, and texts beside them.

https://hl7.org/fhir/R4/search.html#modifiers

Neither has an index of its own: `:missing` and `:text` narrow what other criteria select.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from fhir_server.search.kind import Condition, Facts, Where, either
from fhir_server.search.params.date import missing
from fhir_server.search.strings import LONGEST, fold, short_key
from fhir_server.search.text import unescape
from fhir_server.search.tokens import presence
from kernel.errors import BadValue

if TYPE_CHECKING:
    from fhir_server.search.parameters import Parameter

TEXT: Final = ":text"


def absent(parameter: Parameter, values: tuple[str, ...]) -> Condition:
    """Return what `:missing` asks for."""
    marks = [presence(parameter.type, key) for key in parameter.keys]
    present = {"e": {"$in": marks}}
    return Where({"$nor": [present]} if missing(values) else present)


def everywhere(values: tuple[str, ...]) -> Condition:
    """Return what `:missing` asks for of what no resource lacks."""
    return Where({"k": {"$in": []}} if missing(values) else {})


def remember(key: str, text: Any, facts: Facts) -> None:
    """Keep a text that people read beside a code; `key` is of `text_key`."""
    if isinstance(text, str) and (found := _read(key, text)):
        facts.texts.append(found)


@lru_cache(maxsize=1 << 14)  # displays repeat from resource to resource
def _read(key: str, text: str) -> str:
    folded = fold(text[:LONGEST])
    return key + folded if folded else ""


def text_key(type: str, path: str) -> str:
    """Return what stands before the texts of an element."""
    return short_key(type, path + TEXT)


def reading(parameter: Parameter, values: tuple[str, ...]) -> Condition:
    """Return what `:text` asks for: a text with a word that begins so.

    Raises:
        BadValue: there is nothing to compare.
    """
    keys = "|".join(text_key(parameter.type, key) for key in parameter.keys)
    filters: list[dict[str, Any]] = []
    for value in values:
        folded = fold(unescape(value)[:LONGEST])
        if not folded:
            raise BadValue("There is nothing but accents and white space in the text to look for.")
        # Every character of the input is literal.
        filters.append({"x": {"$regex": rf"^(?:{keys})(?:.*\W)?{re.escape(folded)}"}})
    return either(filters)
