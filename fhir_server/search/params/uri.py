"""URI parameters: the whole URI, character by character.

https://hl7.org/fhir/R4/search.html#uri
"""

from __future__ import annotations

import re
from itertools import product
from typing import TYPE_CHECKING, Any, Final

from fhir_server.search import parameters
from fhir_server.search.kind import AnyOf, Condition, Facts, Index, Scope, SearchType, either
from fhir_server.search.marked import absent
from fhir_server.search.strings import LONGEST, safe, short_key
from fhir_server.search.text import unescape
from fhir_server.search.tokens import plain, token

if TYPE_CHECKING:
    from collections.abc import Iterable

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


def naming(parameter: Parameter, artifacts: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return the filter that a canonical names one of these, each an URL and a version.

    https://hl7.org/fhir/R4/references.html#canonical: one without a version names any.
    """
    tokens, texts = set(), set()
    for key, (url, version) in product(parameter.keys, list(artifacts)):
        start = short_key(parameter.type, key + TEXTS)
        tokens.add(token(f"{parameter.type}.{key}={url}"))
        texts |= {start + safe(form[:LONGEST]) for form in (url, f"{url}|{version}")}
    return {"k": {"$in": sorted(tokens)}, "x": {"$in": sorted(texts)}}


def named(type: str, canonicals: Iterable[str]) -> list[dict[str, Any]]:
    """Return the filters, any of which selects what one of the canonicals names."""
    parameter = parameters.of(type).get("url")
    if parameter is None:
        return []
    anyone: set[int] = set()
    filters: list[dict[str, Any]] = []
    for canonical in canonicals:
        url, _, version = canonical.partition("#")[0].partition("|")
        tokens = [token(f"{type}.{key}={url}") for key in parameter.keys]
        if version:
            said = token(f"{type}.version={plain(version)}")
            filters += [{"k": {"$all": [found, said]}} for found in tokens]
        else:
            anyone.update(tokens)
    return [*filters, {"k": {"$in": sorted(anyone)}}] if anyone else filters


def _below(parameter: Parameter, uri: str) -> dict[str, Any]:
    """Return the filter of a URI and of all that goes on from it, at a `/`.

    One that ends in `/` is a beginning as it stands: what ends before it is not below it.
    """
    keys = "|".join(short_key(parameter.type, key + TEXTS) for key in parameter.keys)
    # Every character of the input is literal.
    end = "" if uri.endswith("/") else r"(?:/|\||$)"
    return {"x": {"$regex": f"^(?:{keys}){re.escape(uri)}{end}"}}


def _above(value: str) -> list[str]:
    """Return a URI and all that it goes on from, escaped as it was."""
    scheme, mark, rest = value.partition("://")
    parts = rest.rstrip("/").split("/") if mark else [value]
    found = [f"{scheme}{mark}{'/'.join(parts[:count])}" for count in range(1, len(parts) + 1)]
    return [form for one in (found if mark else parts) for form in (one, f"{one}/")]


URI = SearchType("uri", index, match, frozenset({"missing", "above", "below"}))
