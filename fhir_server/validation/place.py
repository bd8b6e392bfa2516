"""Where something is in a resource: as a FHIRPath and as a JSON pointer.

https://www.rfc-editor.org/rfc/rfc6901
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


class Place(NamedTuple):
    """One step below another place; the text is only made for what is told.

    `step` is what FHIRPath appends, `.value` or `[0]`; `name` is the member or index of JSON, such
    as `valueQuantity`. The root has the type as its step, and no place above.
    """

    step: str
    name: str = ""
    above: Place | None = None

    def member(self, path: str, name: str = "") -> Place:
        """Return the place of a member; a choice such as `valueQuantity` has the path `value`."""
        return Place(f".{path}", name or path, self)

    def at(self, index: int) -> Place:
        return Place(f"[{index}]", str(index), self)

    @property
    def path(self) -> str:
        """The FHIRPath, such as `Patient.name[0].given[1]`."""
        return "".join(reversed([place.step for place in self._upwards()]))

    @property
    def pointer(self) -> str:
        """The JSON pointer, such as `/name/0/given/1`; "" for the whole resource."""
        names = [place.name for place in self._upwards() if place.above is not None]
        escaped = (name.replace("~", "~0").replace("/", "~1") for name in reversed(names))
        return "".join(f"/{name}" for name in escaped)

    def _upwards(self) -> Iterator[Place]:
        place: Place | None = self
        while place is not None:
            yield place
            place = place.above
