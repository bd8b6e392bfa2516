"""The search parameters made over REST, as every process of the server knows them.

https://hl7.org/fhir/R4/searchparameter.html

They are read from the stored SearchParameters, at most once a second and only when something is
searched or written. A parameter serves once all resources of its type have been indexed by it.
"""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from fhir_server.jsonio import decode
from fhir_server.search import custom
from fhir_server.search.parameters import Known
from fhir_server.search.tokens import token, type_token
from fhir_server.store.document import INDEX_GENERATION
from fhir_server.store.patience import PATIENCE_S, patience
from kernel import log
from kernel.errors import FhirError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fhir_server.search.custom import Custom
    from fhir_server.store.mongo import Collections

FRESH_S: Final = 1.0
"""How long what is known counts as fresh; whoever indexes waits for several times as long."""
_log = log.get("customs")


@dataclass(frozen=True, slots=True)
class State:
    """What is defined, by type, and which of it all resources of the type are indexed by."""

    by_type: Mapping[str, tuple[Custom, ...]] = field(default_factory=dict)
    built: Mapping[str, frozenset[str]] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    known: Known = field(default_factory=Known)
    generations: Mapping[str, int] = field(default_factory=dict)


class Customs:
    """Knows the parameters; `fresh` is called before anything that depends on them."""

    def __init__(self, collections: Collections, patience_s: float = PATIENCE_S) -> None:
        self._resources = collections.resources
        self._bookmarks = collections.bookmarks
        self._patience_s = patience_s
        self._read_at = -math.inf
        self._seen: Any = None
        self._reading = asyncio.Lock()
        self.state = State()

    @property
    def known(self) -> Known:
        return self.state.known

    def of(self, type: str) -> Sequence[Custom]:
        """Return what a resource of this type is to be indexed by, beyond R4's own."""
        return self.state.by_type.get(type, ())

    def generation(self, type: str) -> int:
        """Return the number of the index that a document of this type should have."""
        return self.state.generations.get(type, INDEX_GENERATION)

    def forget(self) -> None:
        """Read all again when it is needed next: a definition was written here."""
        self._read_at = -math.inf

    async def fresh(self, within_s: float = FRESH_S) -> None:
        """Read again what is older than `within_s`."""
        if time.monotonic() - self._read_at < within_s:
            return
        async with self._reading:
            if time.monotonic() - self._read_at >= within_s:
                async with patience(self._patience_s):
                    await self._read()
                self._read_at = time.monotonic()

    async def _read(self) -> None:
        condition = {"k": type_token("SearchParameter")}
        heads = await self._resources.find(condition, {"v": 1}, sort=[("_id", 1)]).to_list()
        bookmark = await self._bookmarks.find_one({"_id": "reindex"}) or {}
        seen = ([(row["_id"], row["v"]) for row in heads], bookmark.get("built"))
        if seen == self._seen:
            return
        found: dict[str, list[Custom]] = {}
        refused: dict[str, str] = {}
        async for row in self._resources.find(condition, {"b": 1, "v": 1}, sort=[("_id", 1)]):
            try:
                customs = custom.read(decode(row["b"]), f"{row['_id']}/{row['v']}")
            except FhirError as error:
                refused[row["_id"]] = str(error)
                continue
            for one in customs:
                names = {other.parameter.name for other in found.get(one.parameter.type, ())}
                if one.parameter.name not in names:  # the first of two with one name has it
                    found.setdefault(one.parameter.type, []).append(one)
        built = {type: frozenset(keys) for type, keys in (bookmark.get("built") or {}).items()}
        self.state = _state(found, built, refused)
        self._seen = seen
        _log.info("parameters.read", defined=len(heads), refused=len(refused))


def _state(
    found: Mapping[str, list[Custom]],
    built: Mapping[str, frozenset[str]],
    refused: Mapping[str, str],
) -> State:
    known = {
        type: {
            one.parameter.name: replace(
                one.parameter, ready=one.key in built.get(type, frozenset())
            )
            for one in customs
        }
        for type, customs in found.items()
    }
    by_type = {type: tuple(customs) for type, customs in found.items()}
    generations = {
        type: token(" ".join([str(INDEX_GENERATION), *sorted(one.key for one in customs)]))
        for type, customs in found.items()
    }
    return State(by_type, built, refused, Known(known), generations)
