"""Who is asking: a bearer token turned into a Principal.

https://www.rfc-editor.org/rfc/rfc6750
"""

from __future__ import annotations

import time
from collections import OrderedDict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal

from fhir_server.model import EVERYTHING, Principal
from fhir_server.store.accounts import digest
from kernel.errors import Unauthenticated

if TYPE_CHECKING:
    from fhir_server.store.accounts import Accounts

ANYONE: Final = Principal("anonymous", EVERYTHING)
CACHED_S: Final = 5.0
"""A revoked token is refused after this at the latest."""
CACHE: Final = 4096


class Authenticator:
    """Knows tokens; `open` mode lets anyone do everything."""

    def __init__(self, accounts: Accounts, mode: Literal["builtin", "open"]) -> None:
        self._accounts = accounts
        self._open = mode == "open"
        self._known: OrderedDict[str, tuple[Principal, float]] = OrderedDict()

    @property
    def open(self) -> bool:
        """Whether everybody may do everything, without a token."""
        return self._open

    async def principal(self, authorization: str) -> Principal:
        """Return who an `Authorization` header speaks for.

        Raises:
            Unauthenticated: there is none, or its token is unknown or has expired.
        """
        if self._open:
            return ANYONE
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated(
                "A bearer token is needed: `Authorization: Bearer …`."
                " Get one at `/auth/token` with your client id and secret."
            )
        key = digest(token.strip())
        known = self._known.get(key)
        if known is not None and known[1] > time.monotonic():
            return known[0]
        return await self._look_up(token.strip(), key)

    async def _look_up(self, token: str, key: str) -> Principal:
        found = await self._accounts.principal(token)
        if found is None:
            self._known.pop(key, None)
            raise Unauthenticated("The bearer token is unknown or has expired. Get a new one.")
        principal, expires = found
        left = (expires - datetime.now(UTC)).total_seconds()
        self._known[key] = (principal, time.monotonic() + min(left, CACHED_S))
        while len(self._known) > CACHE:
            self._known.popitem(last=False)
        return principal
