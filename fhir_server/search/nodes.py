"""What a search asks for, as a tree: leaves are parameters with values, the rest says how they join.

https://hl7.org/fhir/R4/search.html#combining
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fhir_server.search.parameters import Parameter
    from fhir_server.search.words import Words


@dataclass(frozen=True, slots=True)
class Criterion:
    """One condition: any of `values` (as written, escapes included) of one parameter."""

    parameter: Parameter
    modifier: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Chain:
    """A reference to a resource that meets a criterion; one criterion for each possible type.

    `inside` has the criteria of contained resources, under their names of `search/contained.py`.
    https://hl7.org/fhir/R4/search.html#chaining
    """

    parameter: Parameter
    targets: tuple[tuple[str, Node], ...]
    named: bool  # the caller named the type
    inside: tuple[tuple[str, Node], ...] = ()


@dataclass(frozen=True, slots=True)
class Has:
    """Something of `type` that meets a criterion refers here by `parameter`.

    https://hl7.org/fhir/R4/search.html#has
    """

    type: str
    parameter: Parameter
    inner: Node


@dataclass(frozen=True, slots=True)
class Listed:
    """What is on one of these Lists. https://hl7.org/fhir/R4/search.html#list"""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Text:
    """Words in the narrative, or in the whole content.

    https://hl7.org/fhir/R4/search.html#content
    """

    words: Words
    narrative: bool


@dataclass(frozen=True, slots=True)
class Every:
    """All of these hold."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """At least one of these holds."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Nope:
    """This does not hold."""

    node: Node


Node = Criterion | Chain | Has | Listed | Text | Every | Some | Nope
