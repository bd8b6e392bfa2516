"""FhirService: the one door to the data, for every protocol.

https://hl7.org/fhir/R4/http.html

Each call is authorised (one compiled filter on the query itself), validated, run in one transaction
with its history and event, and only then answered. HTTP, HL7 v2, DICOM and AI adapters all enter
here, and nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fhir_server.engine import Engine
from fhir_server.interactions import batch as batches
from fhir_server.interactions import capabilities, entries
from fhir_server.interactions import create as creates
from fhir_server.interactions import delete as deletes
from fhir_server.interactions import history as histories
from fhir_server.interactions import read as reads
from fhir_server.interactions import search as searches
from fhir_server.interactions import transaction as transactions
from fhir_server.interactions import update as updates
from fhir_server.interactions import vread as vreads
from fhir_server.operations.operation import operations
from kernel.errors import Forbidden, Invalid, MethodNotAllowed, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_server.model import Context, Message, Page, Resource, Result, Version
    from fhir_server.operations.operation import Call
    from fhir_server.store.store import Store
    from kernel.settings import Fhir


class FhirService:
    """The interactions of FHIR, and the inbox of original messages."""

    def __init__(self, store: Store, settings: Fhir) -> None:
        self._engine = Engine.of(store, settings)
        self._messages = store.messages

    async def read(self, ctx: Context, type: str, id: str) -> Version:
        """Return the current version. Raises NotFound, Gone, Forbidden."""
        return await reads.read(self._engine, ctx, type, id)

    async def vread(self, ctx: Context, type: str, id: str, version: int) -> Version:
        """Return one version. Raises NotFound, Gone, Forbidden."""
        return await vreads.vread(self._engine, ctx, type, id, version)

    async def create(
        self, ctx: Context, type: str, body: bytes | Resource, *, if_none_exist: str | None = None
    ) -> Result:
        """Store a new resource under an id of ours. Raises Invalid, MultipleMatches."""
        return await creates.create(self._engine, ctx, type, body, if_none_exist=if_none_exist)

    async def update(
        self,
        ctx: Context,
        type: str,
        id: str,
        body: bytes | Resource,
        *,
        if_match: int | None = None,
    ) -> Result:
        """Create or replace; unchanged content makes no new version (`changed` is False).

        `if_match` 0 means "must not exist yet". Raises Invalid, PreconditionFailed.
        """
        return await updates.update(self._engine, ctx, type, id, body, if_match=if_match)

    async def conditional_update(
        self,
        ctx: Context,
        type: str,
        query: str | Sequence[tuple[str, str]],
        body: bytes | Resource,
    ) -> Result:
        """Create or replace what `query` selects. Raises Invalid, MultipleMatches."""
        return await updates.conditional_update(self._engine, ctx, type, query, body)

    async def delete(
        self, ctx: Context, type: str, id: str, *, if_match: int | None = None
    ) -> Result:
        """Delete; what is not there is deleted already. Raises PreconditionFailed."""
        return await deletes.delete(self._engine, ctx, type, id, if_match=if_match)

    async def history(
        self, ctx: Context, type: str, id: str, parameters: Sequence[tuple[str, str]] = ()
    ) -> Page:
        """Return the versions of one resource, newest first. Raises NotFound, Invalid."""
        return await histories.history(self._engine, ctx, type, id, parameters)

    async def search(self, ctx: Context, type: str, parameters: Sequence[tuple[str, str]]) -> Page:
        """Return a searchset; parameters are decoded pairs, `("identifier", "urn:oid:1.2|7")`."""
        return await searches.search(self._engine, ctx, type, parameters)

    async def find(
        self, ctx: Context, type: str, parameters: Sequence[tuple[str, str]], *, limit: int = 100
    ) -> list[Version]:
        """Return all matches of the same search as versions, for gateways.

        Raises TooLarge if there are more than `limit`.
        """
        return await searches.find(self._engine, ctx, type, parameters, limit)

    async def bundle(
        self, ctx: Context, body: bytes | Resource, *, message: Message | None = None
    ) -> dict[str, Any]:
        """Run a batch or transaction Bundle and return the response Bundle.

        A `transaction` is one MongoDB transaction with its history and events and, when given, the
        original message. Entries are POST (+ ifNoneExist), PUT (by id, + ifMatch, or conditional),
        DELETE and GET; `urn:uuid:` placeholders and conditional references are resolved.

        Raises:
            PreconditionFailed: an `ifMatch` names another version (`W/"0"`: must not exist yet);
                read again and retry.
            FhirError: the first entry that cannot be carried out; nothing is stored.
        """
        kind, parts = entries.read(body, self._engine.settings.max_bundle_entries)
        if kind == "batch":
            if message is not None:
                raise Invalid("A message is stored with a transaction, not with a batch.")
            return await batches.batch(self._engine, ctx, parts)
        return await transactions.transaction(self._engine, ctx, parts, message)

    async def operation(self, ctx: Context, name: str, call: Call, *, safe: bool) -> Resource:
        """Run an operation; `safe` is a request that must not change anything, such as a GET.

        Raises:
            NotFound: there is none of this name at this level for this type.
            MethodNotAllowed: it changes something, and the request is `safe`.
        """
        found = operations().get(name)
        if found is None or not found.offered(call):
            where = f"on `{call.type}`" if call.type else "on the whole system"
            raise NotFound(
                f"There is no operation `${name[:60]}` {where} ({call.level} level).",
                code="not-supported",
            )
        if safe and found.affects_state:
            raise MethodNotAllowed(f"`${name}` changes something, so it is asked for by POST.")
        return await found.handler(self._engine, ctx, call)

    def capabilities(self, base: str, security: Resource | None = None) -> dict[str, Any]:
        """Return the CapabilityStatement, generated from what is there."""
        offered = [(o.name, o.definition, o.levels, o.types) for o in operations().values()]
        return capabilities.capabilities(base, offered, security)

    async def keep(self, ctx: Context, message: Message) -> None:
        """Keep a message that made no resources, such as a refused one; the same id replaces."""
        _require_system(ctx)
        await self._messages.keep(message)

    async def message(self, ctx: Context, id: str) -> Message | None:
        """Return a kept message."""
        _require_system(ctx)
        return await self._messages.get(id)

    async def messages(
        self, ctx: Context, *, protocol: str, state: str | None = None, limit: int = 100
    ) -> list[Message]:
        """Return kept messages, newest first."""
        _require_system(ctx)
        return await self._messages.list(protocol, state, limit)


def _require_system(ctx: Context) -> None:
    """Original messages may hold anything, so only who may read everything may see them."""
    if not any(scope.startswith("system/*.") for scope in ctx.principal.scopes):
        raise Forbidden("Original messages are for administrators: scope `system/*.cruds`.")
