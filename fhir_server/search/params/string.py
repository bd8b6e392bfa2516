"""String parameters: the beginning of a text, without case and accents.

https://hl7.org/fhir/R4/search.html#string
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from fhir_server.search.kind import Condition, Facts, Index, Scope, SearchType, Where, either
from fhir_server.search.params.date import missing
from fhir_server.search.phonetic import sounds
from fhir_server.search.strings import LAST, LONGEST, SEPARATOR, entry, fold, short_key
from fhir_server.search.text import unescape
from fhir_server.search.tokens import token
from kernel.errors import BadValue, Invalid

if TYPE_CHECKING:
    from fhir_server.search.parameters import Parameter, Path


PHONETIC: Final = "phonetic"
"""Data type of a path to a text whose sound is compared."""


def index(type: str, path: Path) -> Index:
    if path.datatype == PHONETIC:
        return _heard(f"{type}.{path.key}=")
    key = short_key(type, path.key)

    def add(value: Any, facts: Facts) -> None:
        if found := entry(value):
            facts.strings.append(key + found)

    return add


def _heard(prefix: str) -> Index:
    def add(value: Any, facts: Facts) -> None:
        facts.tokens += [token(prefix + sound) for sound in sounds(value)]

    return add


def _sounding(parameter: Parameter, text: str) -> dict[str, Any]:
    """Return the filter that every word of a text sounds like some word of the element."""
    words = sounds(text)
    if not words:
        raise BadValue(f"There is no word in `{text[:60]}` to compare the sound of.")
    alike = [
        {"k": {"$in": [token(f"{parameter.type}.{key}={word}") for key in parameter.keys]}}
        for word in words
    ]
    return alike[0] if len(alike) == 1 else {"$and": alike}


def match(parameter: Parameter, modifier: str, values: tuple[str, ...], _: Scope) -> Condition:
    keys = [short_key(parameter.type, key.removesuffix(f":{PHONETIC}")) for key in parameter.keys]
    if modifier == "missing":
        present = either([_between(key) for key in keys]).filter
        return Where({"$nor": [present]} if missing(values) else present)
    texts = [_text(value) for value in values]
    if parameter.paths[0].datatype == PHONETIC:
        if modifier:
            raise Invalid(f"A sound has no `:{modifier}`; ask `{parameter.name}` without it.")
        return either([_sounding(parameter, text) for text in texts])
    if modifier == "exact":
        return Where({"s": {"$in": [key + entry(text) for key in keys for text in texts]}})
    folded = [fold(text) for text in texts]
    if not all(folded):
        raise BadValue("There is nothing but accents and white space in the text to search for.")
    one = MANNERS.get(modifier, _beginning)
    return either([one(key, text) for key in keys for text in folded])


def _text(value: str) -> str:
    text = unescape(value)
    if len(text) > LONGEST:
        raise BadValue(f"The text to search for has {len(text)} characters; {LONGEST} are allowed.")
    return text


def _beginning(key: str, folded: str) -> dict[str, Any]:
    return _between(key + folded)


def _between(prefix: str) -> dict[str, Any]:
    # `$elemMatch`, because both bounds must hold for the same entry of the array.
    return {"s": {"$elemMatch": {"$gte": prefix, "$lt": prefix + LAST}}}


def _containing(key: str, folded: str) -> dict[str, Any]:
    # Every character of the input is literal; the anchor confines the scan to one key.
    return {"s": {"$regex": f"^{key}[^{SEPARATOR}]*{re.escape(folded)}"}}


def _ending(key: str, folded: str) -> dict[str, Any]:
    return {"s": {"$regex": f"^{key}[^{SEPARATOR}]*{re.escape(folded)}({SEPARATOR}|$)"}}


def _equal(key: str, folded: str) -> dict[str, Any]:
    return {"$or": [{"s": key + folded}, _between(key + folded + SEPARATOR)]}


# `ends` and `equals` are for `ew` and `eq` of `_filter`; no modifier of a parameter is named so.
MANNERS: Final = {"contains": _containing, "ends": _ending, "equals": _equal}


STRING = SearchType("string", index, match, frozenset({"exact", "contains", "missing"}))
