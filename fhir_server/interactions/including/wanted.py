"""What resources point to and what may point to them: the questions of one round of inclusion.

https://hl7.org/fhir/R4/search.html#include
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from fhir_server.search import links
from fhir_server.search.tokens import token
from fhir_server.tables import RESOURCE_TYPES
from kernel.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Collection

    from fhir_server.interactions.including.route import Route
    from fhir_server.model import Version
    from fhir_server.search.links import Reader, Way

MOST_QUESTIONS: Final = 100_000
"""References and tokens of one round; `_revinclude=*` asks about 200 of each resource."""
_LITERAL: Final = re.compile(
    r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/([1-9][0-9]{0,8}))?"
)


@dataclass(slots=True)
class Wanted:
    """What is to be looked for, each once, by the type that it is of.

    `keys` are of `Type/id`, with the versions that are wanted, 0 for the current one. `urls` are
    canonicals. `tokens` find referrers; those that `readers` has a reader for must also refer to
    one of `pointed`, which are keys and canonicals.
    """

    base: str
    keys: dict[str, dict[str, set[int]]] = field(default_factory=dict)
    urls: dict[str, set[str]] = field(default_factory=dict)
    tokens: dict[str, set[int]] = field(default_factory=dict)
    readers: dict[str, Reader] = field(default_factory=dict)
    pointed: set[str] = field(default_factory=set)
    _size: int = 0

    def __bool__(self) -> bool:
        return bool(self.keys or self.urls or self.tokens)

    def add(self, route: Route, version: Version) -> None:
        """Ask all that is to be followed from one resource.

        Raises:
            Invalid: the round has more questions than can be answered in one search.
        """
        body = version.body
        if body is None:
            return
        if route.forward is not None:
            for text, way in route.forward.read(body):
                self._point(text, way)
        if route.computed:
            for text, way in links.computed(route.computed, body):
                self._point(text, way)
        if route.backward:
            self._refer(route, version.reference, body)
        if self._size > MOST_QUESTIONS:
            raise Invalid(
                f"The inclusions follow more than {MOST_QUESTIONS} references at once."
                " Name the types and parameters instead of `*`, or lower `_count`.",
                code="too-costly",
            )

    def forget(self, seen: Collection[str]) -> None:
        """Leave out what was found before."""
        for type in list(self.keys):
            left = {
                key: versions
                for key, versions in self.keys[type].items()
                if key not in seen or versions != {0}
            }
            if left:
                self.keys[type] = left
            else:
                del self.keys[type]

    def confirms(self, version: Version) -> bool:
        """Return whether a resource that a token found is a referrer indeed."""
        reader = self.readers.get(version.type)
        if reader is None or version.body is None:
            return True
        for text, way in reader.read(version.body):
            target = self._local(text)
            target = target.partition("#" if way.canonical else "/_history/")[0]
            if target in self.pointed:
                return True
        return False

    def _local(self, text: str) -> str:
        """Return a reference without our own base URL."""
        return text.removeprefix(f"{self.base}/") if self.base else text

    def _point(self, text: str, way: Way) -> None:
        if found := _literal(self._local(text)):
            type, key, number = found
            if way.admits(type):
                self.keys.setdefault(type, {}).setdefault(key, set()).add(number)
                self._size += 1
        elif way.canonical and ":" in text:
            types = links.canonical_types()
            for type in types & way.targets if way.targets else types:
                self.urls.setdefault(type, set()).add(text.partition("#")[0])
                self._size += 1

    def _refer(self, route: Route, key: str, body: bytes) -> None:
        forms = (key, f"{self.base}/{key}") if self.base else (key,)
        self.pointed.add(key)
        artifact = links.artifact(body) if route.artifact else links.NOTHING
        if artifact.url:
            self.pointed |= {artifact.url, f"{artifact.url}|{artifact.version}"}
        for row in route.backward:
            tokens = self.tokens.setdefault(row.source, set())
            before = len(tokens)
            tokens.update(token(prefix + form) for prefix in row.literal for form in forms)
            if artifact.url:
                tokens.update(token(prefix + artifact.url) for prefix in row.canonical)
            if row.canonical and row.reader is not None:
                self.readers[row.source] = row.reader
            self._size += len(tokens) - before


@lru_cache(maxsize=1 << 12)
def _literal(text: str) -> tuple[str, str, int] | None:
    """Return type, key and version (0: the current one) of a reference to one of our resources."""
    found = _LITERAL.fullmatch(text)
    if found is None or found[1] not in RESOURCE_TYPES:
        return None
    return found[1], f"{found[1]}/{found[2]}", int(found[3] or 0)
