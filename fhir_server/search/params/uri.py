"""URI parameters: the whole URI, character by character.

https://hl7.org/fhir/R4/search.html#uri
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from fhir_server.search.kind import AnyOf, Condition, Facts, Index, Scope, SearchType, either
from fhir_server.search.marked import absent
from fhir_server.search.strings import LONGEST, safe, short_key
from fhir_server.search.text import unescape
from fhir_server.search.tokens import token

if TYPE_CHECKING:
    from fhir_server.search.parameters import Parameter, Path


TEXTS: Final = ":uri"


def index(type: str, path: Path) -> Index:
    prefix = f"{type}.{path.key}="
    below = short_key(type, path.key + TEXTS)

    def add(value: Any, facts: Facts) -> None:
        facts.tokens.extend(token(prefix + uri) for uri in forms(value))
        facts.texts.append(below + safe(value[:LONGEST]))

    return add


def forms(uri: str) -> tuple[str, ...]:
    """Return a canonical as written and, if it names a version, without it.

    https://hl7.org/fhir/R4/references.html#canonical
    """
    bare, bar, _ = uri.partition("|")
    return (uri, bare) if bar else (uri,)


def match(parameter: Parameter, modifier: str, values: tuple[str, ...], __: Scope) -> Condition:
    if modifier == "missing":
        return absent(parameter, values)
    if modifier == "below":
        return either([_below(parameter, unescape(value)) for value in values])
    if modifier == "above":
        values = tuple(dict.fromkeys(form for value in values for form in _above(value)))
    return AnyOf(
        tuple(
            token(f"{parameter.type}.{key}={unescape(value)}")
            for key in parameter.keys
            for value in values
        )
    )


def _below(parameter: Parameter, uri: str) -> dict[str, Any]:
    """Return the filter of a URI and of all that goes on from it, at a `/`."""
    keys = "|".join(short_key(parameter.type, key + TEXTS) for key in parameter.keys)
    # Every character of the input is literal.
    return {"x": {"$regex": rf"^(?:{keys}){re.escape(uri.rstrip('/'))}(?:/|\||$)"}}


def _above(value: str) -> list[str]:
    """Return a URI and all that it goes on from, escaped as it was."""
    scheme, mark, rest = value.partition("://")
    parts = rest.rstrip("/").split("/") if mark else [value]
    found = [f"{scheme}{mark}{'/'.join(parts[:count])}" for count in range(1, len(parts) + 1)]
    return [form for one in (found if mark else parts) for form in (one, f"{one}/")]


URI = SearchType("uri", index, match, frozenset({"missing", "above", "below"}))
