"""Criteria of conditional interactions: a search that decides what is written.

https://hl7.org/fhir/R4/http.html#cond-update
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

from fhir_server.search.plan import plan
from fhir_server.search.query import parse
from fhir_server.store.matching import Criterion
from kernel.errors import BadValue, Invalid, MultipleMatches

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_server.engine import Engine
    from fhir_server.model import Context


def criterion(
    engine: Engine,
    ctx: Context,
    type: str,
    query: str | Sequence[tuple[str, str]],
    *,
    lock: bool = True,
) -> Criterion:
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
    return Criterion(text, plan(parsed, engine.zone).filter, access, lock)


def matched(criterion: Criterion, found: Sequence[str], given: str = "") -> str | None:
    """Return the id that conditional criteria select, None for none; `given` is the body's own.

    Raises:
        MultipleMatches: there are two or more.
        BadValue: the body names another id.
    """
    if len(found) > 1:
        raise MultipleMatches(f"More than one resource matches `{criterion.text[:200]}`.")
    if not found:
        return None
    id = found[0].partition("/")[2]
    if given and given != id:
        raise BadValue(
            f"`id` is `{given[:80]}`, but `{found[0]}` matches. Leave `id` out or send that one.",
            "id",
        )
    return id


def _pairs(query: str) -> list[tuple[str, str]]:
    given = query.partition("?")[2] if "?" in query else query
    return parse_qsl(given, keep_blank_values=True)
