"""The engine: what every interaction needs, and the way from a caller's body to a Change.

https://hl7.org/fhir/R4/http.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from fhir_server import jsonio
from fhir_server.admission import Admission
from fhir_server.search.extract import index
from fhir_server.smart.scopes import access
from fhir_server.store.document import Change
from fhir_server.tables import RESOURCE_TYPES
from kernel import ids
from kernel.errors import BadStructure, BadValue, NotFound, TooLarge

if TYPE_CHECKING:
    from typing import Literal

    from fhir_server.model import Access, Context, Resource
    from fhir_server.packages.catalogue import Catalogue
    from fhir_server.search.parameters import Known
    from fhir_server.smart.scopes import Permission
    from fhir_server.store.store import Store
    from kernel.settings import Fhir


LONGEST: Final = 16 << 20
"""Bytes of a resource that MongoDB can keep; a longer one is refused before it is looked at."""


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
    admission: Admission

    @classmethod
    def of(cls, store: Store, settings: Fhir) -> Engine:
        return cls(store, settings, ZoneInfo(settings.time_zone), Admission.of(settings))

    @property
    def known(self) -> Known:
        """The search parameters that there are: those of R4, and those made over REST."""
        return self.store.customs.known

    @property
    def catalogue(self) -> Catalogue:
        """The definitions of loaded packages, and of those that come with the server."""
        return self.store.packages.catalogue

    async def fresh(self) -> None:
        """Learn what has changed about search parameters and packages; before any use of them."""
        await self.store.customs.fresh()
        await self.store.packages.fresh()

    def authorise(self, ctx: Context, type: str, permission: Permission) -> Access:
        """Return the caller's Access for an interaction.

        Raises:
            NotFound: there is no such resource type.
            Forbidden: no scope allows it.
        """
        if type not in RESOURCE_TYPES:
            raise NotFound(f"`{type}` is not a resource type of FHIR R4.", code="not-supported")
        return access(ctx.principal, type, permission)

    def body(self, type: str, given: bytes | Resource, *, sent: bool = True) -> Body:
        """Decode and validate what a caller sent.

        What is not `sent` was made here, by a patch or from an entry of a Bundle: its faults have
        no lines that the caller could look up.

        Raises:
            Invalid: not JSON, not valid R4, or of another type than expected.
            TooLarge: it could not be stored.
        """
        raw = jsonio.encode(given) if isinstance(given, Mapping) else given
        if len(raw) > LONGEST:
            _refuse_length(raw)
        resource = jsonio.decode(raw)
        self.check(type, resource, raw if sent and raw is given else b"")
        id = resource.get("id", "")
        return Body(type, id if isinstance(id, str) else "", raw, resource)

    def change(
        self,
        access: Access,
        body: Body,
        id: str,
        method: Literal["POST", "PUT"],
        expect: tuple[int, ...] = (),
        where: str = "",
    ) -> Change:
        """Index a body that is to become `type/id`; `where` is what a refusal names."""
        customs = self.store.customs
        indexed = index(body.resource | {"id": id}, self.zone, customs.of(body.type))
        fresh = method == "POST"
        return Change(
            access,
            body.type,
            id,
            method,
            body.raw,
            indexed,
            expect,
            fresh,
            where=where,
            generation=customs.generation(body.type),
        )

    def check(self, type: str, resource: dict[str, Any], body: bytes = b"") -> None:
        """Refuse a resource of another type, and whatever validation finds.

        `body` are the bytes that it was decoded from, for the lines of faults.

        Raises:
            Invalid: all faults found.
        """
        given = resource.get("resourceType")
        if given != type:
            said = f"is `{str(given)[:60]}`" if given is not None else "is missing"
            raise BadStructure(
                f"`resourceType` {said}, but `{type}` is expected here.", "resourceType"
            )
        self.admission.check(resource, type, self.catalogue, body)


def _refuse_length(raw: bytes) -> None:
    """Refuse a resource that is too long even without the spaces between its members."""
    if len(jsonio.minified(raw)) > LONGEST:
        raise TooLarge(
            f"The resource has {len(raw)} bytes; {LONGEST} can be stored. Keep what is large in"
            " Binary resources or as images, and refer to it."
        )


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
