"""Including the resources that matches refer to, or that refer to them, in a search's answer.

https://hl7.org/fhir/R4/search.html#revinclude

Round by round: what one round finds is asked for what it refers to in the next, if `:iterate` says
so. The same matches, as of the same moment, always include the same resources, in the order of
their keys: a page of them is a part of that order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fhir_server.interactions.including.answers import Answers
from fhir_server.interactions.including.route import route
from fhir_server.interactions.including.wanted import Wanted
from fhir_server.interactions.including.window import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fhir_server.engine import Engine
    from fhir_server.interactions.including.route import Route
    from fhir_server.model import Context, Version
    from fhir_server.search.inclusion import Inclusion

MOST_ROUNDS: Final = 10
MOST_FOLLOWED: Final = 10_000
"""Where `:iterate` ends: rounds, and resources that are looked into for one page of matches."""


@dataclass(frozen=True, slots=True)
class Included:
    """What goes with a page of matches, each once, none of them a match, by key.

    `after` is where to go on if there is more, "" if there is not. `truncated` says that
    `:iterate` was ended by a bound, so that what is farther away is not included at all.
    """

    versions: list[Version]
    after: str = ""
    truncated: bool = False

    @property
    def more(self) -> bool:
        return bool(self.after)


async def include(
    engine: Engine,
    ctx: Context,
    inclusions: Sequence[Inclusion],
    matches: Sequence[Version],
    *,
    at: int | None = None,
    after: str = "",
    limit: int | None = None,
) -> Included:
    """Return what `inclusions` add to `matches`, as of the moment `at` (None: now).

    At most `limit` (`fhir.max_included`) at once; with `after` of the last answer, those that
    follow. What the caller may not read is not there.

    Raises:
        Invalid: more references are to be followed at once than can be.
    """
    if not inclusions or not matches:
        return Included([])
    further = [inclusion for inclusion in inclusions if inclusion.iterate]
    window = Window(after, limit or engine.settings.max_included)
    if further:  # what one page leaves out may still lead to what it holds
        answers = Answers(engine, ctx, at, "", MOST_FOLLOWED + 1 + len(matches))
    else:
        answers = Answers(engine, ctx, at, after, window.limit + 1 + len(matches))
    walk = _Walk(answers, window, {match.reference for match in matches})
    wanted = _wanted(ctx, matches, _router(engine, inclusions))
    truncated = await walk.run(wanted, _router(engine, further) if further else None)
    shown, last = window.shown()
    return Included(shown, last, truncated)


@dataclass(slots=True)
class _Walk:
    """The rounds over what is not `seen` yet."""

    answers: Answers
    window: Window
    seen: set[str]

    async def run(self, wanted: Wanted, further: Callable[[str], Route] | None) -> bool:
        """Run all rounds; `further` tells what later ones follow. Return if a bound ended them."""
        most = MOST_FOLLOWED + len(self.seen)
        rounds = 0
        while wanted:
            following = Wanted(wanted.base)
            async for batch in self.answers.of(wanted):
                kept = fresh = {key: found for key, found in batch if key not in self.seen}
                room = most - len(self.seen) if rounds < MOST_ROUNDS else 0
                if further is not None and len(fresh) > room:
                    kept = dict(sorted(fresh.items())[:room])
                self.seen.update(kept)
                self.window.offer(kept)
                if len(kept) < len(fresh):
                    return True
                if further is not None:
                    for version in kept.values():
                        following.add(further(version.type), version)
            following.forget(self.seen)
            wanted = following
            rounds += 1
        return False


def _router(engine: Engine, inclusions: Sequence[Inclusion]) -> Callable[[str], Route]:
    """Return what tells what is followed from a type; each type is thought about once."""
    routes: dict[str, Route] = {}

    def route_of(type: str) -> Route:
        if type not in routes:
            routes[type] = route(type, inclusions, engine.store.customs.of(type))
        return routes[type]

    return route_of


def _wanted(ctx: Context, matches: Sequence[Version], route_of: Callable[[str], Route]) -> Wanted:
    wanted = Wanted(ctx.base.rstrip("/"))
    for match in matches:
        wanted.add(route_of(match.type), match)
    wanted.forget({match.reference for match in matches})
    return wanted
