"""Original messages of other protocols, kept as they arrived.

A message that was applied is stored in the transaction of what it produced; a refused one alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pymongo import DESCENDING

from fhir_server.model import Message
from fhir_server.store.patience import PATIENCE_S, patience

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_server.model import Result
    from fhir_server.store.mongo import Collections

Document = dict[str, Any]
FIELDS = tuple(Message.__dataclass_fields__)


def message_document(message: Message, results: Sequence[Result] = ()) -> Document:
    """Return the stored form; `produced` are the versions that `results` say."""
    kept: Document = {name: getattr(message, name) for name in FIELDS if name != "id"}
    kept["produced"] = [f"{r.version.reference}/_history/{r.version.version}" for r in results] or [
        *message.produced
    ]
    kept["facts"] = dict(message.facts)
    return {"_id": message.id} | kept


def message_of(stored: Document) -> Message:
    """Return the message that a document holds."""
    given = {name: stored[name] for name in FIELDS if name != "id"}
    given["produced"] = tuple(given["produced"])
    return Message(id=stored["_id"], **given)


class Messages:
    """The inbox of all protocols."""

    def __init__(self, collections: Collections, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._messages = collections.messages

    async def keep(self, message: Message) -> None:
        async with patience(self._patience_s):
            await self._messages.replace_one(
                {"_id": message.id}, message_document(message), upsert=True
            )

    async def get(self, id: str) -> Message | None:
        async with patience(self._patience_s):
            stored = await self._messages.find_one({"_id": id})
        return None if stored is None else message_of(stored)

    async def list(self, protocol: str, state: str | None, limit: int) -> list[Message]:
        """Return the newest first."""
        condition: Document = {"protocol": protocol} | ({} if state is None else {"state": state})
        cursor = self._messages.find(condition, sort=[("received", DESCENDING)], limit=limit)
        async with patience(self._patience_s):
            return [message_of(stored) for stored in await cursor.to_list()]
