"""What a validation sees besides the resource: definitions, and what references lead to.

https://hl7.org/fhir/R4/resource-operation-validate.html

The walk itself does not wait for a database. It notes what it misses; `look` reads that, and the
walk is made again.
"""

from __future__ import annotations

import re
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final

from fhir_server import jsonio
from fhir_server.conformance import Builtin, Chain, Definition, Library
from fhir_server.conformance.definitions import split
from fhir_server.search import plan
from fhir_server.search.kind import Scope
from fhir_server.search.nodes import Criterion
from kernel.errors import FhirError, Gone, Invalid, NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fhir_server.conformance import Definitions
    from fhir_server.engine import Engine
    from fhir_server.model import Context

MOST_REFERENCES: Final = 200
MOST_DEFINITIONS: Final = 200
_LOCAL: Final = re.compile(r"([A-Z][A-Za-z]{1,60})/([A-Za-z0-9.-]{1,64})(?:/_history/.{1,64})?")


class Sight:
    """What one request may see. `references` says whether references are followed."""

    __slots__ = ("_asked", "_ctx", "_engine", "_missing", "_read", "_stored", "references")

    def __init__(self, engine: Engine, ctx: Context, *, references: bool = False) -> None:
        self._engine = engine
        self._ctx = ctx
        self.references = references
        self._read: dict[str, Mapping[str, Any] | None] = {}
        self._asked: dict[str, None] = {}
        self._missing: dict[tuple[str, str], None] = {}
        self._stored: dict[tuple[str, str], Library] = {}

    def definitions(self) -> Definitions:
        """Return what is in packages, what R4 has, and what is stored here as a resource."""
        known = Chain(self._engine.catalogue, Builtin())
        noting = _Noting(known, self._stored, self._missing)
        stored = [library for library in self._stored.values() if library]
        return Chain(*stored, noting) if stored else noting

    def resolve(self, reference: str) -> Mapping[str, Any] | None:
        """Return what a reference leads to, None for what was not read."""
        local = self._local(reference)
        if local is None or not self.references:
            return None
        if local not in self._read:
            self._asked[local] = None
        return self._read.get(local)

    def exists(self, reference: str) -> bool | None:
        """Return whether a reference leads anywhere; None for what is not ours to know."""
        local = self._local(reference)
        if local is None or local not in self._read:
            return None
        return self._read[local] is not None

    def _local(self, reference: str) -> str | None:
        base = self._ctx.base
        match = _LOCAL.fullmatch(reference.removeprefix(f"{base}/") if base else reference)
        return f"{match[1]}/{match[2]}" if match else None

    async def look(self) -> bool:
        """Read what was missing, and return whether anything new was found out.

        Raises:
            Invalid: the resource refers to more than one request may read.
        """
        asked, missing = list(self._asked), list(self._missing)
        self._asked.clear()
        self._missing.clear()
        if len(self._read) + len(asked) > MOST_REFERENCES:
            raise Invalid(
                f"`check-references` reads {MOST_REFERENCES} resources at most.", code="too-costly"
            )
        if len(self._stored) + len(missing) > MOST_DEFINITIONS:
            missing = missing[: MOST_DEFINITIONS - len(self._stored)]
        for reference in asked:
            self._read[reference] = await self._referred(*reference.split("/"))
        new = False
        for kind, url in missing:
            self._stored[kind, url] = await self._defined(kind, url)
            new = new or bool(self._stored[kind, url])
        return bool(asked) or new

    async def _referred(self, type: str, id: str) -> Mapping[str, Any] | None:
        try:
            return await self.read(type, id)
        except FhirError:
            return None  # not there, or not for this caller: the two look alike

    async def read(self, type: str, id: str) -> Mapping[str, Any]:
        """Return a stored resource that the caller may read. Raises NotFound, Gone, Forbidden."""
        access = self._engine.authorise(self._ctx, type, "r")
        version = await self._engine.store.current(type, id, access)
        if version is None:
            raise NotFound(f"Resource `{type}/{id}` was not found.")
        if version.body is None:
            raise Gone(f"Resource `{type}/{id}` was deleted.")
        return jsonio.decode(version.body)

    async def _defined(self, kind: str, url: str) -> Library:
        """Return the stored definitions with a URL, as far as the caller may search them."""
        engine = self._engine
        try:
            access = engine.authorise(self._ctx, kind, "s")
        except FhirError:
            return Library()
        parameter = engine.known.of(kind)["url"]
        condition = plan.condition(Criterion(parameter, "", (url,)), Scope(engine.zone, ""))
        found = await engine.store.finder.find(plan.combined(kind, [condition]), access, limit=20)
        bodies = [version.body for version, _ in found.rows if version.body is not None]
        return Library(_definition(kind, url, body) for body in bodies)


@lru_cache(maxsize=128)
def _definition(kind: str, url: str, body: bytes) -> Definition:
    """Return the same definition for the same bytes: what is compiled from it is kept with it."""
    version = jsonio.decode(body).get("version")
    shown = version if isinstance(version, str) else ""
    return Definition(kind, url, shown, "", partial(jsonio.decode, body))


class _Noting:
    """Definitions that remember what was asked for in vain."""

    __slots__ = ("_known", "_looked", "_missing")

    def __init__(
        self,
        known: Definitions,
        looked: Mapping[tuple[str, str], Library],
        missing: dict[tuple[str, str], None],
    ) -> None:
        self._known = known
        self._looked = looked
        self._missing = missing

    def find(self, kind: str, canonical: str, near: str = "") -> Definition | None:
        found = self._known.find(kind, canonical, near)
        if found is None:
            url, _ = split(canonical)
            if (kind, url) not in self._looked:
                self._missing[kind, url] = None
        return found
