"""Segment tables: rows that say which field becomes which FHIR element, and how they are applied.

The columns are those of the segment maps of the v2-to-FHIR guide
(https://hl7.org/fhir/uv/v2mappings/): field, element, data type, condition.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from hl7_listener.faults import CONDITIONS, Fault, Refused
from kernel.errors import Invalid

if TYPE_CHECKING:
    from hl7_listener.er7 import Repetition, Segment
    from hl7_listener.sender import Sender

Json = dict[str, Any]
Make = Callable[["Repetition", "Sender"], Any]
Owns = Callable[[Mapping[str, Any]], bool]

DELETE: Final = object()
"""The value of an element that the sender asked to delete with the null `""`."""


@dataclass(frozen=True, slots=True)
class Row:
    """One field → one element.

    `path` is dotted below the resource. `many`: every repetition is an item of a list. `owns` says
    which items of that list the field speaks for: they go when the field comes, others stay.
    `when` and `unless` name another field that must, or must not, be valued.
    """

    field: str
    path: str
    make: Make
    many: bool = False
    owns: Owns | None = None
    when: str = ""
    unless: str = ""
    required: bool = False

    @property
    def number(self) -> int:
        return _number(self.field)

    def applies(self, segment: Segment) -> bool:
        return (not self.when or segment.valued(_number(self.when))) and not (
            self.unless and segment.valued(_number(self.unless))
        )


@dataclass(frozen=True, slots=True)
class Rule:
    """Fields that only make sense together: `make` returns the elements, named in `elements`."""

    fields: tuple[str, ...]
    elements: tuple[str, ...]
    make: Callable[[Segment, Sender], Mapping[str, Any]]

    @property
    def number(self) -> int:
        return _number(self.fields[0])


@dataclass(frozen=True, slots=True)
class Items:
    """New items of a list, and which old ones they replace."""

    new: tuple[Any, ...] = ()
    owns: tuple[Owns, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """What a segment says: values by path (or DELETE), and items of lists by path.

    `owned` are elements that are the segment's alone: what it does not say any more goes.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    lists: Mapping[str, Items] = field(default_factory=dict)
    owned: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class SegmentMap:
    """The table of one segment. A `snapshot` replaces all that it said before."""

    segment: str
    resource: str
    rows: tuple[Row, ...]
    rules: tuple[Rule, ...] = ()
    snapshot: bool = False

    @property
    def name(self) -> str:
        return f"{self.segment}[{self.resource}]"

    @property
    def elements(self) -> frozenset[str]:
        """The top-level elements that this table fills."""
        named = {row.path.partition(".")[0] for row in self.rows}
        return frozenset(named.union(*(rule.elements for rule in self.rules)))

    def facts(self, segment: Segment, sender: Sender, sequence: int = 1) -> Facts:
        """Return what the segment says.

        Raises:
            Refused: one or more fields cannot be read; all of them are named.
        """
        values: Json = {}
        lists: dict[str, Items] = {}
        faults: list[Fault] = []
        reasons: list[str] = []
        entries: tuple[Row | Rule, ...] = (*self.rows, *self.rules)
        for entry in entries:
            try:
                if isinstance(entry, Row):
                    _apply(entry, segment, sender, values, lists)
                else:
                    values |= entry.make(segment, sender)
            except Invalid as error:
                faults.append(self._fault(entry.number, error.hl7, sequence))
                reasons.append(f"{faults[-1].place}: {error}")
            except _Missing:
                faults.append(self._fault(entry.number, "101", sequence))
                reasons.append(faults[-1].text)
        if faults:
            raise Refused("AE", *dict.fromkeys(faults), reason=" ".join(dict.fromkeys(reasons)))
        return Facts(values, lists, self.elements if self.snapshot else frozenset())

    def _fault(self, number: int, code: str, sequence: int) -> Fault:
        text = f"{CONDITIONS[code]}: {self.segment}-{number}."
        return Fault(code, text, self.segment, sequence, number)


class _Missing(Exception):
    """A required field is not there."""


def _apply(
    row: Row, segment: Segment, sender: Sender, values: Json, lists: dict[str, Items]
) -> None:
    if not row.applies(segment):
        return
    found = segment.repetitions(row.number)
    null = segment.null(row.number)
    made = [item for one in found if (item := row.make(one, sender)) is not None]
    if row.required and not made:
        raise _Missing
    if not (made or null):
        return
    if row.many:
        old = lists.get(row.path, Items())
        owns = (row.owns,) if row.owns else ()
        lists[row.path] = Items((*old.new, *made), (*old.owns, *owns))
    else:
        values[row.path] = made[0] if made else DELETE


def _number(field_name: str) -> int:
    return int(field_name.partition("-")[2])
