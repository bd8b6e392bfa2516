"""Where an element is in a JSON tree: its holder, and its name there.

https://hl7.org/fhir/R4/json.html#primitive

A list of primitives is two arrays, `given` and `_given`, which have to stay beside each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fhir_server.fhirpath import Node
    from fhir_server.fhirpath.kinds import Member

Pair = tuple[Any, Any]
"""A value and its `_name` sibling."""


class Misfit(Exception):
    """An operation does not fit to the resource; why, as a sentence."""


@dataclass(frozen=True, slots=True)
class Place:
    """`form` is the JSON name: `valueString` where the element is `value`."""

    holder: dict[str, Any]
    form: str
    primitive: bool

    def __eq__(self, other: object) -> bool:
        """Two places are the same if their holder is the same object, whatever it holds."""
        return isinstance(other, Place) and self.holder is other.holder and self.form == other.form

    def __hash__(self) -> int:
        return hash((id(self.holder), self.form))

    @classmethod
    def of(cls, node: Node) -> tuple[Place, Member]:
        """Return where a node is, and its element.

        Raises:
            Misfit: it is not within the resource: the resource itself, or a computed value.
        """
        parent = node.parent
        if parent is None:
            what = "the resource itself" if node.kind.resource else "a computed value"
            raise Misfit(f"The path leads to {what}, not to an element of it.")
        holder = parent.value if isinstance(parent.value, dict) else parent.extra
        member = parent.kind.members[node.name]
        form = next(
            (form for form, kind in member.forms.values() if kind is node.kind), member.name
        )
        return cls(holder, form, node.kind.primitive), member

    @classmethod
    def below(cls, holder: Node, member: Member, form: str) -> Place:
        """Return where a child of a node belongs; a primitive gets the sibling that it needs.

        Raises:
            Misfit: the node is a computed value.
        """
        primitive = member.forms[form][1].primitive if member.forms else member.kind.primitive
        if isinstance(holder.value, dict):
            return cls(holder.value, form, primitive)
        if isinstance(holder.extra, dict):
            return cls(holder.extra, form, primitive)
        place, own = cls.of(holder)
        extra: dict[str, Any] = {}
        if own.many:
            pairs = place.pairs()
            pairs[holder.index or 0] = (holder.value, extra)
            place.write(pairs)
        else:
            place.write_one(holder.value, extra)
        return cls(extra, form, primitive)

    @classmethod
    def present(cls, holder: Node, member: Member) -> str:
        """Return the JSON name under which an element is there already, "" if it is not."""
        tree = holder.value if isinstance(holder.value, dict) else holder.extra
        names = [*member.forms] if member.forms else [member.name, f"_{member.name}"]
        return next((name for name in names if name in (tree or {})), "")

    def pairs(self) -> list[Pair]:
        """Return the items of a list with their siblings."""
        values, extras = self.holder.get(self.form), None
        if self.primitive:
            extras = self.holder.get(f"_{self.form}")
        first, second = _listed(values), _listed(extras)
        return [
            (
                first[index] if index < len(first) else None,
                second[index] if index < len(second) else None,
            )
            for index in range(max(len(first), len(second)))
        ]

    def write(self, pairs: list[Pair]) -> None:
        """Replace a list; an array with nothing in it is left out."""
        self._set(self.form, [value for value, _ in pairs])
        if self.primitive:
            self._set(f"_{self.form}", [extra for _, extra in pairs])

    def _set(self, name: str, items: list[Any]) -> None:
        if any(item is not None for item in items):
            self.holder[name] = items
        else:
            self.holder.pop(name, None)

    def write_one(self, value: Any, extra: Any) -> None:
        """Replace an element that does not repeat; None leaves it out."""
        for name, item in ((self.form, value), (f"_{self.form}", extra)):
            if item is not None:
                self.holder[name] = item
            elif name == self.form or self.primitive:
                self.holder.pop(name, None)


def _listed(items: Any) -> list[Any]:
    """Return what stands where a list belongs, as one: validation may be switched off."""
    if items is None:
        return []
    return items if isinstance(items, list) else [items]
