"""Looking before writing, inside the same transaction, for all units of a group at once.

https://hl7.org/fhir/R4/http.html#ccreate

A snapshot alone lets two transactions both see no match and both insert. So each criteria first
counts up a lock document: the second transaction conflicts there, starts again, and then sees what
the first one made. Units with the same criteria never share a transaction.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pymongo import UpdateOne

from fhir_server.store.access import both, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymongo.asynchronous.client_session import AsyncClientSession

    from fhir_server.model import Access
    from fhir_server.store.mongo import Collections

Filter = dict[str, Any]
TOGETHER: Final = 400
"""Single tokens that are looked up in one query."""
FEW: Final = 4
"""Documents for each token, on average, up to which one query for all tells who matched."""


MANY: Final = 10
"""Matches that are counted exactly where one is wanted; one more is looked for."""


@dataclass(frozen=True, slots=True, eq=False)
class Criterion:
    """What must match and whose eyes look; `text` is normalised, and the lock's name.

    At most `limit` matches are looked for.
    """

    text: str
    condition: Filter
    access: Access
    lock: bool = True
    limit: int = MANY + 1

    @property
    def token(self) -> int | None:
        """The one token that decides, if that is all there is to it."""
        only = self.condition.get("k") if len(self.condition) == 1 else None
        return int(only) if isinstance(only, int) and self.access.everything else None


async def lock(
    collections: Collections, criteria: Sequence[Criterion], session: AsyncClientSession
) -> None:
    """Make transactions with equal criteria wait for each other."""
    keys = {_key(criterion.text): None for criterion in criteria if criterion.lock}
    if keys:
        writes = [UpdateOne({"_id": key}, {"$inc": {"n": 1}}, upsert=True) for key in keys]
        await collections.locks.bulk_write(writes, session=session)


async def matches(
    collections: Collections, criteria: Sequence[Criterion], session: AsyncClientSession
) -> list[list[str]]:
    """Return at most `limit` references for each criterion, as of the transaction's snapshot."""
    found = await _by_token(collections, criteria, session)
    return [
        found[c.token][: c.limit]
        if c.token is not None and c.token in found
        else await _one(collections, c, session)
        for c in criteria
    ]


async def _by_token(
    collections: Collections, criteria: Sequence[Criterion], session: AsyncClientSession
) -> dict[int, list[str]]:
    """Return the matches of single tokens; tokens that many documents carry are left out."""
    tokens = list({c.token: None for c in criteria if c.token is not None})
    answered: dict[int, list[str]] = {}
    for start in range(0, len(tokens) if len(tokens) > 1 else 0, TOGETHER):
        some = tokens[start : start + TOGETHER]
        limit = FEW * len(some)
        cursor = collections.resources.find(
            {"k": {"$in": some}}, {"k": 1}, session=session, limit=limit
        )
        rows = await cursor.to_list()
        if len(rows) == limit:
            continue
        carriers: dict[int, list[str]] = {token: [] for token in some}
        for row in rows:
            for token in carriers.keys() & set(row["k"]):
                carriers[token].append(row["_id"])
        answered |= carriers
    return answered


async def _one(
    collections: Collections, criterion: Criterion, session: AsyncClientSession
) -> list[str]:
    cursor = collections.resources.find(
        both(criterion.condition, visible(criterion.access)),
        {"_id": 1},
        session=session,
        limit=criterion.limit,
        batch_size=criterion.limit + 1,
    )
    return [found["_id"] for found in await cursor.to_list()]


def _key(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
