"""The logical id: part of the key of a document.

https://hl7.org/fhir/R4/search.html#id
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fhir_server.search.kind import Condition, Index, Scope, SearchType, Where
from fhir_server.search.marked import everywhere
from fhir_server.search.text import unescape

if TYPE_CHECKING:
    from fhir_server.search.parameters import Parameter, Path


def index(_: str, __: Path) -> Index:
    return lambda _, __: None


def match(parameter: Parameter, modifier: str, values: tuple[str, ...], __: Scope) -> Condition:
    if modifier == "missing":
        return everywhere(values)
    keys = [f"{parameter.type}/{unescape(value)}" for value in values]
    if modifier == "not":
        return Where({"_id": {"$nin": keys}})
    return Where({"_id": keys[0] if len(keys) == 1 else {"$in": keys}})


ID = SearchType("_id", index, match, frozenset({"missing", "not"}))
