"""The engine: what every interaction needs, and the way from a caller's body to a Change.

https://hl7.org/fhir/R4/http.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from fhir_server import jsonio
from fhir_server.search.extract import index
from fhir_server.smart.scopes import access
from fhir_server.store.document import Change
from fhir_server.tables import RESOURCE_TYPES
from fhir_server.validation import validate
from kernel import ids
from kernel.errors import BadStructure, BadValue, NotFound

if TYPE_CHECKING:
    from typing import Literal

    from fhir_server.model import Access, Context, Resource
    from fhir_server.search.parameters import Known
    from fhir_server.smart.scopes import Permission
    from fhir_server.store.store import Store
    from kernel.settings import Fhir


@dataclass(frozen=True, slots=True)
class Body:
    """A valid resource as it was sent; `id` is its own, "" if it has none."""

    type: str
    id: str
    raw: bytes
    resource: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Engine:
    """The store and the rules; shared by all interactions, and without state of its own."""

    store: Store
    settings: Fhir
    zone: ZoneInfo

    @classmethod
    def of(cls, store: Store, settings: Fhir) -> Engine:
        return cls(store, settings, ZoneInfo(settings.time_zone))

    @property
    def known(self) -> Known:
        """The search parameters that there are: those of R4, and those made over REST."""
        return self.store.customs.known

    async def fresh(self) -> None:
        """Learn what has changed about search parameters; before anything that indexes or asks."""
        await self.store.customs.fresh()

    def authorise(self, ctx: Context, type: str, permission: Permission) -> Access:
        """Return the caller's Access for an interaction.

        Raises:
            NotFound: there is no such resource type.
            Forbidden: no scope allows it.
        """
        if type not in RESOURCE_TYPES:
            raise NotFound(f"`{type}` is not a resource type of FHIR R4.", code="not-supported")
        return access(ctx.principal, type, permission)

    def body(self, type: str, given: bytes | Resource) -> Body:
        """Decode and validate what a caller sent.

        Raises:
            Invalid: not JSON, not valid R4, or of another type than expected.
        """
        raw = jsonio.encode(given) if isinstance(given, Mapping) else given
        resource = jsonio.decode(raw)
        self.check(type, resource)
        id = resource.get("id", "")
        return Body(type, id if isinstance(id, str) else "", raw, resource)

    def change(
        self,
        access: Access,
        body: Body,
        id: str,
        method: Literal["POST", "PUT"],
        expect: tuple[int, ...] = (),
    ) -> Change:
        """Index a body that is to become `type/id`."""
        customs = self.store.customs
        indexed = index(body.resource | {"id": id}, self.zone, customs.of(body.type))
        hash = jsonio.content_hash(body.raw)
        fresh = method == "POST"
        return Change(
            access,
            body.type,
            id,
            method,
            body.raw,
            indexed,
            hash,
            expect,
            fresh,
            generation=customs.generation(body.type),
        )

    def check(self, type: str, resource: dict[str, Any]) -> None:
        """Refuse a resource of another type, and whatever validation finds.

        Raises:
            Invalid: all faults found.
        """
        given = resource.get("resourceType")
        if given != type:
            said = f"is `{str(given)[:60]}`" if given is not None else "is missing"
            raise BadStructure(
                f"`resourceType` {said}, but `{type}` is expected here.", "resourceType"
            )
        if self.settings.validation != "off":
            validate(resource, type)


def check_id(id: str) -> str:
    """Return a well-formed id.

    Raises:
        BadValue: it is none.
    """
    if not ids.valid(id):
        raise BadValue(
            f"`{id[:80]}` is not an id: 1 to 64 letters, digits, `-` and `.` are.", code="value"
        )
    return id
