"""The answers to one round of inclusion: one query for each Access, which is part of the query.

https://hl7.org/fhir/R4/search.html#include
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from fhir_server.search import links, parameters
from fhir_server.search.tokens import token
from kernel.errors import Forbidden

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping, Sequence

    from fhir_server.engine import Engine
    from fhir_server.interactions.including.wanted import Wanted
    from fhir_server.model import Access, Context, Version
    from fhir_server.smart.scopes import Permission

BATCH: Final = 500
"""Keys in one query, and bodies held at once."""
TOKENS: Final = 5000
"""Tokens in one query."""
NAMED: Final = 10_000
"""Resources of the same canonical that are compared for the latest."""
INDEX: Final = "token"
"""The index that answers; a condition on `_id` beside a token tempts MongoDB to read all keys."""
CURRENT: Final = frozenset({0})
_NUMBER: Final = re.compile(r"(\d{1,18})")

Keyed = tuple[str, "Version"]
"""A version and its key: `Type/id`, or `Type/id/_history/0000000002` if it is superseded."""


@dataclass(slots=True)
class Answers:
    """Looks for what is wanted, with the caller's eyes.

    A type that the caller may not look at answers nothing, as if it were not there: to follow a
    reference takes the permission to read its type; to find referrers, or what a canonical names,
    the permission to search theirs.

    Only keys after `after` are of interest, and of one question no more than the `most` first.
    """

    engine: Engine
    ctx: Context
    at: int | None
    after: str
    most: int
    _decided: dict[tuple[str, Permission], Access | None] = field(default_factory=dict)

    async def of(self, wanted: Wanted) -> AsyncIterator[list[Keyed]]:
        """Yield what there is of all that is wanted, in batches; some of it may come twice."""
        for access, types in self._alike(wanted.keys, "r"):
            keys = {key: versions for type in types for key, versions in wanted.keys[type].items()}
            async for batch in self._read(keys, access):
                yield batch
        for access, types in self._alike(wanted.urls, "s"):
            named = await self._named({type: wanted.urls[type] for type in types}, access)
            yield [(version.reference, version) for version in named]
        for access, types in self._alike(wanted.tokens, "s"):
            tokens = {found for type in types for found in wanted.tokens[type]}
            async for versions in self._carriers(tokens, access, self.after, self.most):
                yield [(v.reference, v) for v in versions if wanted.confirms(v)]

    def _alike(
        self, by_type: Collection[str], permission: Permission
    ) -> list[tuple[Access, list[str]]]:
        """Return the types that may be looked at, those with equal Access together."""
        groups: dict[Access, list[str]] = {}
        for type in sorted(by_type):
            access = self._access(type, permission)
            if access is not None:
                groups.setdefault(access, []).append(type)
        return list(groups.items())

    def _access(self, type: str, permission: Permission) -> Access | None:
        if (type, permission) not in self._decided:
            try:
                access: Access | None = self.engine.authorise(self.ctx, type, permission)
            except Forbidden:
                access = None
            self._decided[type, permission] = access
        return self._decided[type, permission]

    async def _read(
        self, wanted: Mapping[str, set[int]], access: Access
    ) -> AsyncIterator[list[Keyed]]:
        """Yield resources by key: the current version, and older ones that are asked for."""
        keys = sorted(wanted)
        if self.after:
            keys = [key for key in keys if _last(key, wanted[key]) > self.after]
        count = 0
        for start in range(0, len(keys), BATCH):
            some = keys[start : start + BATCH]
            current = [
                (version.reference, version)
                for version in await self.engine.store.finder.fetch(some, access, self.at)
            ]
            found = [keyed for keyed in current if wanted[keyed[0]] & {0, keyed[1].version}]
            found += await self._older(current, wanted, access)
            yield found
            count += sum(key > self.after for key, _ in found)
            if count >= self.most:
                return

    async def _older(
        self, current: Sequence[Keyed], wanted: Mapping[str, set[int]], access: Access
    ) -> list[Keyed]:
        asked = [
            (version, number)
            for key, version in current
            if wanted[key] != CURRENT
            for number in sorted(wanted[key])
            if 0 < number < version.version
        ]
        if not asked:
            return []
        superseded = self.engine.store.superseded
        older = await asyncio.gather(
            *(superseded(version.type, version.id, number, access) for version, number in asked)
        )
        return [
            (_key(version.reference, version.version), version)
            for version in older
            if version is not None and version.body is not None
        ]

    async def _named(self, urls: Mapping[str, set[str]], access: Access) -> list[Version]:
        """Return what canonicals name: of the version that they say, else of the latest.

        https://hl7.org/fhir/R4/references.html#canonical
        """
        asked: dict[tuple[str, str], set[str]] = {}
        for type in urls:
            for text in urls[type]:
                url, _, number = text.partition("|")
                asked.setdefault((type, url), set()).add(number)
        tokens = {
            token(f"{type}.{key}={url}")
            for type, url in asked
            for key in parameters.of(type)["url"].keys
        }
        best: dict[tuple[str, str, str], tuple[Any, Version]] = {}
        async for versions in self._carriers(tokens, access, "", NAMED):
            for version in versions:
                artifact = links.artifact(version.body or b"{}")
                numbers = asked.get((version.type, artifact.url), set())
                rank = (_natural(artifact.version), version.updated, version.id)
                for number in numbers & {"", artifact.version}:
                    slot = (version.type, artifact.url, number)
                    if slot not in best or best[slot][0] < rank:
                        best[slot] = (rank, version)
        return [version for _, version in best.values()]

    async def _carriers(
        self, tokens: Collection[int], access: Access, after: str, most: int
    ) -> AsyncIterator[list[Version]]:
        """Yield, for each few of the tokens, the `most` first that carry any of them."""
        finder = self.engine.store.finder
        ordered = sorted(tokens)
        for start in range(0, len(ordered), TOKENS):
            some = ordered[start : start + TOKENS]
            carries: dict[str, Any] = {"k": some[0] if len(some) == 1 else {"$in": some}}
            later = {"_id": {"$gt": after}} if after else {}
            few = await finder.find_any(
                [(carries | later, access)], (), BATCH + 1, self.at, hint=INDEX
            )
            if len(few.rows) <= BATCH and not few.more:
                yield [version for version, _ in few.rows]
                continue
            keys = await self._first(carries, access, after, most)
            for at in range(0, len(keys), BATCH):
                yield await finder.fetch(keys[at : at + BATCH], access, self.at)

    async def _first(
        self, carries: Mapping[str, Any], access: Access, after: str, most: int
    ) -> list[str]:
        """Return the `most` first keys of many; the index has them, so no body is touched."""
        kept: list[str] = []
        rows = self.engine.store.finder.scan([(carries, access)], {"_id": 1}, self.at)
        async for row in rows:
            if row["_id"] > after:
                kept.append(row["_id"])
            if len(kept) >= 2 * most:
                kept = sorted(set(kept))[:most]
        return sorted(set(kept))[:most]


def _key(reference: str, number: int) -> str:
    return f"{reference}/_history/{number:010d}"


def _last(reference: str, versions: set[int]) -> str:
    """Return the last key that a reference may be answered under."""
    number = max(versions)
    return _key(reference, number) if number else reference


def _natural(version: str) -> list[tuple[int, str]]:
    """Return what business versions are compared by: `1.9`, `1.10-draft`, `1.10`."""
    return [_rank(part) for part in _NUMBER.split(version)]


def _rank(part: str) -> tuple[int, str]:
    if part.isdecimal():
        return int(part), ""
    return (-2, part) if part[:1] == "-" and part[1:2].isalpha() else (-1, part)
