"""Keys that every process of one server shares and nobody configures: made once, by the first.

https://hl7.org/fhir/R4/http.html#paging
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from pymongo import ReturnDocument

from fhir_server.search.page import KEY_BYTES
from fhir_server.store.patience import PATIENCE_S, patience

if TYPE_CHECKING:
    from fhir_server.store.mongo import Collections


class Keys:
    """Finds or makes keys. They seal what only has to outlive a restart, such as page links."""

    def __init__(self, collections: Collections, patience_s: float = PATIENCE_S) -> None:
        self._keys = collections.keys
        self._patience_s = patience_s
        self._page = b""

    async def page(self) -> bytes:
        """Return the key of page links."""
        if not self._page:
            async with patience(self._patience_s):
                kept: Any = await self._keys.find_one_and_update(
                    {"_id": "page"},
                    {"$setOnInsert": {"key": secrets.token_bytes(KEY_BYTES)}},
                    upsert=True,
                    return_document=ReturnDocument.AFTER,
                )
            self._page = bytes(kept["key"])
        return self._page
