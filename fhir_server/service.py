"""FhirService: the one door to the data, for every protocol.

https://hl7.org/fhir/R4/http.html

Each call is authorised (one compiled filter on the query itself), validated, run in one transaction
with its history and event, and only then answered. HTTP, HL7 v2, DICOM and AI adapters all enter
here, and nowhere else.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from fhir_server import jsonio
from fhir_server.engine import Engine
from fhir_server.interactions import batch as batches
from fhir_server.interactions import capabilities, entries
from fhir_server.interactions import create as creates
from fhir_server.interactions import delete as deletes
from fhir_server.interactions import fetch as fetches
from fhir_server.interactions import history as histories
from fhir_server.interactions import patch as patches
from fhir_server.interactions import purge as purges
from fhir_server.interactions import read as reads
from fhir_server.interactions import search as searches
from fhir_server.interactions import transaction as transactions
from fhir_server.interactions import update as updates
from fhir_server.interactions import vread as vreads
from fhir_server.interactions.asynchronous import Desk
from fhir_server.interactions.packages import Packaging
from fhir_server.operations.operation import Call, operations
from fhir_server.smart.scopes import require_administrator
from fhir_server.validation.position import lines
from kernel.errors import Forbidden, Invalid, MethodNotAllowed, NotFound, Unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from fhir_server.interactions.asynchronous import Answer
    from fhir_server.model import Context, Deleted, Message, Page, Resource, Result, Version
    from fhir_server.search.parameters import Known
    from fhir_server.store.jobs import Job
    from fhir_server.store.store import Store
    from kernel.settings import Fhir


class FhirService:
    """The interactions of FHIR, and the inbox of original messages."""

    def __init__(self, store: Store, settings: Fhir) -> None:
        self._engine = Engine.of(store, settings)
        self._messages = store.messages
        self._desk = Desk(store.jobs, settings)
        self.packages = Packaging(self._engine)

    async def read(
        self, ctx: Context, type: str, id: str, parameters: Sequence[tuple[str, str]] = ()
    ) -> Version:
        """Return the current version; `_summary` and `_elements` narrow its body down.

        Raises NotFound, Gone, Forbidden, Invalid.
        """
        return await reads.read(self._engine, ctx, type, id, parameters)

    async def vread(
        self,
        ctx: Context,
        type: str,
        id: str,
        version: int,
        parameters: Sequence[tuple[str, str]] = (),
    ) -> Version:
        """Return one version, as `read` does. Raises NotFound, Gone, Forbidden, Invalid."""
        return await vreads.vread(self._engine, ctx, type, id, version, parameters)

    async def create(
        self, ctx: Context, type: str, body: bytes | Resource, *, if_none_exist: str | None = None
    ) -> Result:
        """Store a new resource under an id of ours. Raises Invalid, MultipleMatches."""
        await self._engine.fresh()
        return await creates.create(self._engine, ctx, type, body, if_none_exist=if_none_exist)

    async def update(
        self,
        ctx: Context,
        type: str,
        id: str,
        body: bytes | Resource,
        *,
        if_match: int | tuple[int, ...] | None = None,
    ) -> Result:
        """Create or replace; unchanged content makes no new version (`changed` is False).

        `if_match` is the version that must be current, or several of which one must be; 0 means
        "must not exist yet", `model.ANY_VERSION` "must exist". Raises Invalid, PreconditionFailed.
        """
        await self._engine.fresh()
        return await updates.update(self._engine, ctx, type, id, body, if_match=if_match)

    async def conditional_update(
        self,
        ctx: Context,
        type: str,
        query: str | Sequence[tuple[str, str]],
        body: bytes | Resource,
        *,
        if_match: int | tuple[int, ...] | None = None,
    ) -> Result:
        """Create or replace what `query` selects; `if_match` as for an update.

        Raises Invalid, Conflict (nothing matches, and the id in the body is in use),
        MultipleMatches, PreconditionFailed.
        """
        await self._engine.fresh()
        return await updates.conditional_update(
            self._engine, ctx, type, query, body, if_match=if_match
        )

    async def patch(
        self,
        ctx: Context,
        type: str,
        id: str,
        body: bytes,
        content_type: str,
        *,
        if_match: int | tuple[int, ...] | None = None,
    ) -> Result:
        """Change a part: a JSON Patch or a FHIRPath Patch, as the content type says.

        Raises Invalid, NotFound, Gone, PreconditionFailed, UnsupportedMediaType, Unprocessable.
        """
        await self._engine.fresh()
        return await patches.patch(
            self._engine, ctx, type, id, body, content_type, if_match=if_match
        )

    async def conditional_patch(
        self,
        ctx: Context,
        type: str,
        query: str | Sequence[tuple[str, str]],
        body: bytes,
        content_type: str,
        *,
        if_match: int | tuple[int, ...] | None = None,
    ) -> Result:
        """Patch what `query` selects. Raises as `patch`, and MultipleMatches."""
        await self._engine.fresh()
        return await patches.conditional_patch(
            self._engine, ctx, type, query, body, content_type, if_match=if_match
        )

    async def delete(
        self, ctx: Context, type: str, id: str, *, if_match: int | tuple[int, ...] | None = None
    ) -> Result:
        """Delete; what is not there is deleted already. Raises PreconditionFailed."""
        return await deletes.delete(self._engine, ctx, type, id, if_match=if_match)

    async def conditional_delete(
        self,
        ctx: Context,
        type: str,
        query: str | Sequence[tuple[str, str]],
        *,
        if_match: int | tuple[int, ...] | None = None,
    ) -> Deleted:
        """Delete all that `query` selects, in one transaction; `if_match` as for a delete.

        Raises Invalid, MultipleMatches (several, and the server deletes single ones only),
        TooLarge (more than the server deletes at once).
        """
        await self._engine.fresh()
        return await deletes.conditional_delete(self._engine, ctx, type, query, if_match=if_match)

    async def delete_history(self, ctx: Context, type: str, id: str) -> int:
        """Remove the superseded versions for good and return how many; for administrators.

        Raises NotFound, Forbidden.
        """
        return await purges.delete_history(self._engine, ctx, type, id)

    async def purge(self, ctx: Context, type: str, id: str) -> int:
        """Remove a resource with all its versions for good; return how many; for administrators.

        Raises NotFound, Forbidden.
        """
        return await purges.purge(self._engine, ctx, type, id)

    async def history(
        self, ctx: Context, type: str, id: str, parameters: Sequence[tuple[str, str]] = ()
    ) -> Page:
        """Return the versions of one resource, newest first. Raises NotFound, Invalid."""
        return await histories.history(self._engine, ctx, type, id, parameters)

    async def type_history(
        self, ctx: Context, type: str, parameters: Sequence[tuple[str, str]] = ()
    ) -> Page:
        """Return the versions of all resources of a type, newest first. Raises Invalid."""
        return await histories.type_history(self._engine, ctx, type, parameters)

    async def system_history(
        self, ctx: Context, parameters: Sequence[tuple[str, str]] = ()
    ) -> Page:
        """Return the versions of everything that may be searched, newest first. Raises Invalid."""
        return await histories.system_history(self._engine, ctx, parameters)

    async def search(
        self,
        ctx: Context,
        type: str | None,
        parameters: Sequence[tuple[str, str]],
        *,
        compartment: tuple[str, str] | None = None,
    ) -> Page:
        """Return a searchset; parameters are decoded pairs, `("identifier", "urn:oid:1.2|7")`.

        `type` None searches all types, or those that `_type` names; `compartment` is a type and
        an id, such as `("Patient", "1")`. Raises Invalid, Forbidden, Gone (a page too old).
        """
        await self._engine.fresh()
        return await searches.search(self._engine, ctx, type, parameters, compartment=compartment)

    async def find(
        self, ctx: Context, type: str, parameters: Sequence[tuple[str, str]], *, limit: int = 100
    ) -> list[Version]:
        """Return all matches of the same search as versions, for gateways.

        Raises TooLarge if there are more than `limit`.
        """
        await self._engine.fresh()
        return await searches.find(self._engine, ctx, type, parameters, limit)

    async def bundle(
        self, ctx: Context, body: bytes | Resource, *, message: Message | None = None
    ) -> dict[str, Any]:
        """Run a batch or transaction Bundle and return the response Bundle.

        A `transaction` is one MongoDB transaction with its history and events and, when given, the
        original message. Entries are POST (+ ifNoneExist), PUT, PATCH and DELETE (by id, + ifMatch,
        or conditional), GET and HEAD; placeholders and conditional references are resolved.

        Raises:
            PreconditionFailed: an `ifMatch` names another version (`W/"0"`: must not exist yet);
                read again and retry.
            FhirError: the first entry that cannot be carried out; nothing is stored.
        """
        limit = self._engine.settings.max_bundle_entries
        await self._engine.fresh()
        kind, parts = entries.read(body, limit, ctx.base)
        if kind == "batch":
            if message is not None:
                raise Invalid("A message is stored with a transaction, not with a batch.")
            return await batches.batch(self._engine, ctx, parts, self._aside(safe=False))
        # An operation that changes something would not be undone with the rest.
        aside = self._aside(safe=True)
        with lines(body):
            return await transactions.transaction(self._engine, ctx, parts, aside, message)

    def _aside(self, *, safe: bool) -> fetches.Aside:
        """Return what answers those entries of a Bundle that are no interactions with resources."""

        async def answer(ctx: Context, entry: entries.Entry) -> Resource:
            if not entry.operation:
                return self.capabilities(ctx.base)
            values = parse_qsl(entry.query, keep_blank_values=True)
            resource = jsonio.decode(entry.raw) if entry.raw else {}
            call = Call(entry.type, entry.id, values, resource)
            reads_only = safe or entry.method != "POST"
            return await self.operation(ctx, entry.operation, call, safe=reads_only)

        return answer

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

    def capabilities(
        self, base: str, security: Resource | None = None, mode: str = "full"
    ) -> dict[str, Any]:
        """Return the CapabilityStatement, generated from what is there. Raises Invalid: the mode."""
        offered = [
            capabilities.Offered(o.name, o.definition, o.levels, o.types)
            for o in operations().values()
        ]
        return capabilities.capabilities(self._engine, base, offered, security, mode)

    async def parameters(self) -> Known:
        """Return the search parameters that there are; another object once they change."""
        with suppress(Unavailable):  # what was known last is better than no answer
            await self._engine.fresh()
        return self._engine.known

    async def start_job(self, ctx: Context, url: str, work: Callable[[], Awaitable[Answer]]) -> str:
        """Answer a request later, and return under which id. Raises TooMany."""
        return await self._desk.start(ctx, url, work)

    async def job(self, ctx: Context, id: str) -> Job:
        """Return how far a request has come that is answered later. Raises NotFound."""
        return await self._desk.look(ctx, id)

    async def job_answer(self, ctx: Context, id: str) -> bytes:
        """Return the answer of a job that is done, a Bundle. Raises NotFound."""
        return await self._desk.answer(await self._desk.look(ctx, id))

    async def cancel_job(self, ctx: Context, id: str) -> None:
        """Stop a job, if it still runs, and remove its answer. Raises NotFound."""
        await self._desk.cancel(ctx, id)

    async def close(self) -> None:
        """Stop what is answered later; who waits for it is told."""
        await self._desk.close()

    async def index_progress(self, ctx: Context) -> dict[str, Any]:
        """Return which search parameters were made over REST, and how far their index is."""
        require_administrator(ctx.principal)
        return await self._engine.store.reindex.progress()

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
