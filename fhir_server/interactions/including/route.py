"""What is to be followed from resources of one type, in both directions.

https://hl7.org/fhir/R4/search.html#include
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fhir_server.search import links
from fhir_server.search.links import ANY
from fhir_server.tables import RESOURCE_TYPES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_server.search.custom import Custom
    from fhir_server.search.inclusion import Inclusion
    from fhir_server.search.links import Reader
    from fhir_server.search.parameters import Parameter


@dataclass(frozen=True, slots=True)
class Referrers:
    """A type that may point here: how the tokens of its references and canonicals begin.

    A token of a canonical does not tell versions apart, so `reader` looks into what it found.
    """

    source: str
    literal: tuple[str, ...]
    canonical: tuple[str, ...]
    reader: Reader | None


@dataclass(frozen=True, slots=True)
class Route:
    """All that is to be followed from resources of one type, in both directions."""

    forward: Reader | None = None
    computed: tuple[tuple[Custom, str], ...] = ()  # with the only target type
    backward: tuple[Referrers, ...] = ()
    artifact: bool = False  # canonicals point here, by `url`


def route(type: str, inclusions: Sequence[Inclusion], customs: Sequence[Custom] = ()) -> Route:
    """Return what `inclusions` follow from a resource of `type`.

    `customs` are the parameters made over REST for the type: expressions instead of paths.
    """
    ahead = [inclusion for inclusion in inclusions if not inclusion.reverse]
    forward = frozenset(
        (parameter, inclusion.target)
        for inclusion in ahead
        for parameter in inclusion.selected(type)
        if not links.is_computed(parameter)
    )
    computed = {
        (custom.key, inclusion.target): (custom, inclusion.target)
        for inclusion in ahead
        for parameter in inclusion.selected(type)
        for custom in customs
        if links.is_computed(parameter) and custom.parameter.name == parameter.name
    }
    backward = _referrers(type, inclusions)
    return Route(
        links.reader(type, forward) if forward else None,
        tuple(computed.values()),
        backward,
        any(row.canonical for row in backward),
    )


def _referrers(type: str, inclusions: Sequence[Inclusion]) -> tuple[Referrers, ...]:
    found: dict[str, dict[Parameter, None]] = {}
    every: dict[str, set[Parameter]] = {}
    for inclusion in inclusions:
        if not inclusion.reverse:
            continue
        for source in sorted(RESOURCE_TYPES) if inclusion.source == ANY else [inclusion.source]:
            rows = [row for row in inclusion.selected(source) if row.ready]
            every.setdefault(source, set()).update(rows)
            if inclusion.target in {"", type}:
                found.setdefault(source, {}).update(dict.fromkeys(rows))
    named = type in links.canonical_types()
    referrers = []
    for source, parameters in found.items():
        literal, canonical = links.prefixes(parameters, type)
        canonical = canonical if named else ()
        # The same reader for whatever type is referred to: it looks into all that is found.
        read = frozenset((row, "") for row in every[source])
        whole = not any(links.is_computed(row) for row in every[source])
        reader = links.reader(source, read) if canonical and whole else None
        if literal or canonical:
            referrers.append(Referrers(source, literal, canonical, reader))
    return tuple(referrers)
