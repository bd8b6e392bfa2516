"""Criteria of conditional interactions: a search that decides what is written.

https://hl7.org/fhir/R4/http.html#cond-update
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

from fhir_server.search.plan import plan
from fhir_server.search.query import parse
from kernel.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_server.engine import Engine
    from fhir_server.model import Access, Context
    from fhir_server.store.resolver import Resolver


@dataclass(frozen=True, slots=True)
class Criteria:
    """What must match, whose eyes look, and the text under which races are serialised."""

    type: str
    condition: dict[str, Any]
    access: Access
    text: str

    @classmethod
    def of(
        cls, engine: Engine, ctx: Context, type: str, query: str | Sequence[tuple[str, str]]
    ) -> Criteria:
        """Read `identifier=a|b&…`, with or without a leading `Type?`, or decoded pairs.

        Raises:
            Invalid: no criteria, or one that search would refuse.
        """
        parameters = _pairs(query) if isinstance(query, str) else list(query)
        if not any(value for _, value in parameters):
            raise Invalid("The criteria name no search parameter with a value to match by.")
        parsed = parse(type, parameters, lenient=False, default_count=2, max_count=2)
        text = f"{type}?{urlencode(sorted(parameters))}"
        access = engine.authorise(ctx, type, "s")
        return cls(type, plan(parsed, engine.zone).filter, access, text)

    async def matches(self, resolver: Resolver, *, lock: bool = True) -> list[str]:
        """Return at most two references, inside the transaction."""
        if lock:
            await resolver.lock(self.text)
        return await resolver.matches(self.condition, self.access)

    @staticmethod
    def split(reference: str) -> tuple[str, str]:
        """Return type and id of `Type/id`."""
        type, _, id = reference.partition("/")
        return type, id


def _pairs(query: str) -> list[tuple[str, str]]:
    given = query.partition("?")[2] if "?" in query else query
    return parse_qsl(given, keep_blank_values=True)
