"""FhirService: the one door to the data, for every protocol.

Each call is authorised (one compiled filter on the query), validated, run in one transaction with
its history and event, and only then answered. HTTP, HL7 v2, DICOM and AI adapters all enter here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_server.model import Context, Message, Page, Resource, Result, Version

Parameters = "Sequence[tuple[str, str]]"


class FhirService(Protocol):
    """Contract (the implementation replaces this)."""

    async def read(self, ctx: Context, type: str, id: str) -> Version:
        """Raises NotFound, Gone, Forbidden."""
        ...

    async def vread(self, ctx: Context, type: str, id: str, version: int) -> Version: ...

    async def create(
        self, ctx: Context, type: str, body: bytes | Resource, *, if_none_exist: str | None = None
    ) -> Result: ...

    async def update(
        self,
        ctx: Context,
        type: str,
        id: str,
        body: bytes | Resource,
        *,
        if_match: int | None = None,
    ) -> Result:
        """Create or replace; unchanged content makes no new version (`changed` False).

        `if_match` 0 means "must not exist yet". Raises PreconditionFailed.
        """
        ...

    async def delete(
        self, ctx: Context, type: str, id: str, *, if_match: int | None = None
    ) -> Result: ...

    async def history(
        self, ctx: Context, type: str, id: str, parameters: Sequence[tuple[str, str]] = ()
    ) -> Page: ...

    async def search(self, ctx: Context, type: str, parameters: Sequence[tuple[str, str]]) -> Page:
        """Parameters as decoded name/value pairs, e.g. ("identifier", "urn:oid:1.2|7")."""
        ...

    async def find(
        self, ctx: Context, type: str, parameters: Sequence[tuple[str, str]], *, limit: int = 100
    ) -> list[Version]:
        """The same search for gateways: versions instead of a Bundle, no includes, no paging.

        Raises TooLarge if there are more than `limit` matches.
        """
        ...

    async def bundle(
        self, ctx: Context, body: bytes | Resource, *, message: Message | None = None
    ) -> Resource:
        """Run a batch or transaction Bundle; return the response Bundle.

        A `transaction` is one MongoDB transaction with its history and events and, when given, the
        original message. Entries may be POST (+ ifNoneExist), PUT (by id, + ifMatch `W/"n"`, or
        conditional `PUT Type?criteria`), DELETE and GET; `urn:uuid:` fullUrls and conditional
        references (`Patient?identifier=...`) are resolved. Raises PreconditionFailed on ifMatch
        (`ifMatch: W/"0"` means "must not exist yet"): read again and retry.
        """
        ...

    async def keep(self, ctx: Context, message: Message) -> None:
        """Keep a message that made no resources (a refused one); same id replaces."""
        ...

    async def message(self, ctx: Context, id: str) -> Message | None: ...

    async def messages(
        self, ctx: Context, *, protocol: str, state: str | None = None, limit: int = 100
    ) -> list[Message]:
        """Newest first."""
        ...
