"""URI parameters: the whole URI, character by character.

https://hl7.org/fhir/R4/search.html#uri
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fhir_server.search.kind import AnyOf, Condition, Index, Scope, SearchType
from fhir_server.search.text import unescape
from fhir_server.search.tokens import token

if TYPE_CHECKING:
    from fhir_server.search.parameters import Parameter, Path


def index(type: str, path: Path) -> Index:
    prefix = f"{type}.{path.key}="
    return lambda value, facts: facts.tokens.extend(token(prefix + uri) for uri in forms(value))


def forms(uri: str) -> tuple[str, ...]:
    """Return a canonical as written and, if it names a version, without it.

    https://hl7.org/fhir/R4/references.html#canonical
    """
    bare, bar, _ = uri.partition("|")
    return (uri, bare) if bar else (uri,)


def match(parameter: Parameter, _: str, values: tuple[str, ...], __: Scope) -> Condition:
    return AnyOf(
        tuple(
            token(f"{parameter.type}.{key}={unescape(value)}")
            for key in parameter.keys
            for value in values
        )
    )


URI = SearchType("uri", index, match)
