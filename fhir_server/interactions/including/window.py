"""The part of what is included that one page holds: the first keys after the page before.

https://hl7.org/fhir/R4/http.html#paging
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fhir_server.model import Version


@dataclass(slots=True)
class Window:
    """Keeps the `limit` first resources after a key, and one more to know that there are more.

    Bodies beyond that are let go, so that its size does not depend on how much is followed.
    """

    after: str
    limit: int
    _kept: dict[str, Version] = field(default_factory=dict)

    def offer(self, versions: Mapping[str, Version]) -> None:
        """Take in resources by key; none comes twice."""
        if self.after:
            versions = {key: found for key, found in versions.items() if key > self.after}
        self._kept.update(versions)
        if len(self._kept) > 2 * self.limit + 2:
            self._kept = dict(self._first())

    def shown(self) -> tuple[list[Version], str]:
        """Return what the page holds, by key, and the last key if there is more after it."""
        first = self._first()
        shown = first[: self.limit]
        return [version for _, version in shown], shown[-1][0] if len(first) > len(shown) else ""

    def _first(self) -> list[tuple[str, Version]]:
        return sorted(self._kept.items())[: self.limit + 1]
