"""Looking before writing, inside the same transaction.

https://hl7.org/fhir/R4/http.html#ccreate

A snapshot alone lets two transactions both see no match and both insert. So the first statement for
each criteria counts up a lock document: the second transaction conflicts there, starts again, and
then sees what the first one made.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from fhir_server.store.access import both, visible

if TYPE_CHECKING:
    from pymongo.asynchronous.client_session import AsyncClientSession

    from fhir_server.model import Access
    from fhir_server.store.mongo import Collections

Filter = dict[str, Any]


class Resolver:
    """Answers conditional criteria as of the transaction's snapshot."""

    def __init__(self, collections: Collections, session: AsyncClientSession) -> None:
        self._collections = collections
        self._session = session

    async def lock(self, criteria: str) -> None:
        """Make transactions with the same normalised criteria wait for each other."""
        key = hashlib.blake2b(criteria.encode(), digest_size=16).hexdigest()
        await self._collections.locks.update_one(
            {"_id": key}, {"$inc": {"n": 1}}, upsert=True, session=self._session
        )

    async def matches(self, condition: Filter, access: Access, limit: int = 2) -> list[str]:
        """Return the references `Type/id` of at most `limit` visible matches."""
        cursor = self._collections.resources.find(
            both(condition, visible(access)), {"_id": 1}, session=self._session, limit=limit
        )
        return [found["_id"] for found in await cursor.to_list()]
