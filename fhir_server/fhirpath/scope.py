"""What an expression sees while it runs: the focus of its surroundings, and the run's limits.

https://hl7.org/fhirpath/N1/#environment-variables
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from fhir_server.fhirpath.node import EMPTY
from kernel import clock
from kernel.errors import Invalid

if TYPE_CHECKING:
    from fhir_server.fhirpath.amount import Canonical
    from fhir_server.fhirpath.node import Collection, Node

STEPS: Final = 1_000_000
"""Nodes that one evaluation may visit."""

LONGEST_TEXT: Final = 1_000_000
"""Characters of a string that an evaluation may make."""

Resolve = Callable[[str], Mapping[str, Any] | None]
MemberOf = Callable[[Any, str], bool | None]
ConformsTo = Callable[[Mapping[str, Any], str], bool | None]


@dataclass(frozen=True, slots=True)
class Options:
    """How an expression runs.

    `forgiving` lets `as` take several items, as R4's own search parameters need it. `canonical`
    converts UCUM units. `now` is milliseconds since the epoch.
    """

    forgiving: bool = False
    steps: int = STEPS
    canonical: Canonical | None = None
    now: clock.Clock = clock.now


DEFAULTS: Final = Options()


class Run:
    """One evaluation: what it was given, and how much more it may do."""

    __slots__ = (
        "conforms_to",
        "context",
        "left",
        "member_of",
        "moment",
        "options",
        "resolve",
        "variables",
    )

    def __init__(self, context: Node, options: Options = DEFAULTS) -> None:
        self.context = context
        self.options = options
        self.left = options.steps
        self.variables: Mapping[str, Any] = {}
        self.resolve: Resolve | None = None
        self.member_of: MemberOf | None = None
        self.conforms_to: ConformsTo | None = None
        self.moment: int | None = None  # `now()` is the same throughout one evaluation

    def charge(self, steps: int) -> None:
        """Count work.

        Raises:
            Invalid: the expression visits more nodes than it may.
        """
        self.left -= steps
        if self.left < 0:
            raise Invalid(
                f"The expression visits more than {self.options.steps} nodes. Make it simpler.",
                code="too-costly",
            )

    def text(self, text: str) -> str:
        """Return a string that was made, counted by its length.

        Raises:
            Invalid: it is longer than `LONGEST_TEXT`.
        """
        if len(text) > LONGEST_TEXT:
            raise Invalid(
                f"The expression makes a string of {len(text)} characters; {LONGEST_TEXT} at most.",
                code="too-costly",
            )
        self.charge(len(text) >> 6)
        return text


class Scope:
    """`this` is the focus; `index` and `total` are those of the innermost function around."""

    __slots__ = ("index", "run", "this", "total")

    def __init__(
        self, run: Run, this: Collection, index: int | None = None, total: Collection = EMPTY
    ) -> None:
        self.run = run
        self.this = this
        self.index = index
        self.total = total


Code = Callable[[Scope], "Collection"]
"""A compiled expression."""

Truth = Callable[[Scope], bool | None]
"""A compiled expression of which only the three-valued truth is wanted."""
