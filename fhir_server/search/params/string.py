"""String parameters: the beginning of a text, without case and accents.

https://hl7.org/fhir/R4/search.html#string
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from fhir_server.search.kind import Condition, Facts, Index, Scope, SearchType, Where, either
from fhir_server.search.params.date import missing
from fhir_server.search.strings import LAST, LONGEST, SEPARATOR, entry, fold, short_key
from fhir_server.search.text import unescape
from kernel.errors import BadValue

if TYPE_CHECKING:
    from fhir_server.search.parameters import Parameter, Path


def index(type: str, path: Path) -> Index:
    key = short_key(type, path.key)

    def add(value: Any, facts: Facts) -> None:
        if found := entry(value):
            facts.strings.append(key + found)

    return add


def match(parameter: Parameter, modifier: str, values: tuple[str, ...], _: Scope) -> Condition:
    keys = [short_key(parameter.type, key) for key in parameter.keys]
    if modifier == "missing":
        present = either([_between(key) for key in keys]).filter
        return Where({"$nor": [present]} if missing(values) else present)
    texts = [_text(value) for value in values]
    if modifier == "exact":
        return Where({"s": {"$in": [key + entry(text) for key in keys for text in texts]}})
    folded = [fold(text) for text in texts]
    if not all(folded):
        raise BadValue("There is nothing but accents and white space in the text to search for.")
    one = _containing if modifier == "contains" else _beginning
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


STRING = SearchType("string", index, match, frozenset({"exact", "contains", "missing"}))
