"""How much of each resource an answer holds: `_summary` and `_elements`.

https://hl7.org/fhir/R4/search.html#summary
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fhir_server.interactions.subset import check_elements, subset
from kernel.errors import BadValue, Invalid

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from fhir_server.model import Version

SUMMARIES: Final = ("true", "text", "data", "count", "false")
GENERAL: Final = frozenset({"_format", "_pretty"})
"""Parameters of any request; the transport has read them."""
NAMES: Final = frozenset({"_summary", "_elements"})


@dataclass(frozen=True, slots=True)
class Portion:
    """`summary` as it was asked for, "" for none; no `elements` are all of them."""

    summary: str = ""
    elements: tuple[str, ...] = ()

    def of(self, body: bytes, type: str) -> bytes:
        """Return what was asked for of one resource."""
        if not self.elements and self.summary in {"", "false"}:
            return body
        return subset(body, type, self.summary, self.elements)


WHOLE: Final = Portion()


def portion(
    types: str | Collection[str], asked: Iterable[tuple[str, str]], *, lenient: bool = False
) -> Portion:
    """Return how much is asked for; other parameters are passed over.

    Raises:
        Invalid: one of the two is there twice, or `_elements` names what the types do not have.
        BadValue: `_summary` has another value than those of the specification.
    """
    given: dict[str, str] = {}
    for name, value in asked:
        if name not in NAMES:
            continue
        if name in given:
            raise Invalid(f"`{name}` may be there once only.")
        given[name] = value
    if not given:
        return WHOLE
    summary = given.get("_summary", "")
    if "_summary" in given and summary not in SUMMARIES:
        choices = ", ".join(f"`{choice}`" for choice in SUMMARIES)
        raise BadValue(f"`_summary` is one of {choices}, not `{summary[:80]}`.")
    names = (name.strip() for name in given.get("_elements", "").split(","))
    elements = tuple(dict.fromkeys(name for name in names if name))
    return Portion(summary, check_elements(types, elements, lenient=lenient) if elements else ())


def of_read(type: str, parameters: Sequence[tuple[str, str]], *, lenient: bool = False) -> Portion:
    """Return how much of one resource a read asks for.

    Raises:
        Invalid: a parameter that a read does not take, unless lenient; see `portion`.
    """
    unknown = [name for name, _ in parameters if name not in NAMES | GENERAL]
    if unknown and not lenient:
        raise Invalid(
            f"`{unknown[0][:80]}` is not a parameter of a read;"
            " `_summary`, `_elements`, `_format` and `_pretty` are.",
            code="not-supported",
        )
    wanted = portion(type, parameters, lenient=lenient)
    if wanted.summary == "count":
        raise Invalid("`_summary=count` is for searches; a read is of one resource.")
    return wanted


def narrowed(version: Version, wanted: Portion) -> Version:
    """Return a version with the part of its body that is wanted."""
    if wanted is WHOLE or version.body is None:
        return version
    return version._replace(body=wanted.of(version.body, version.type))
