"""What is asked of the server as a whole: a Bundle to run, and what it can do.

https://hl7.org/fhir/R4/http.html#transaction
https://hl7.org/fhir/R4/http.html#capabilities
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from fhir_server import jsonio
from fhir_server.http.compression import gzipped
from fhir_server.http.response import Response, of_constant, of_json
from fhir_server.http.smart_configuration import smart_configuration
from fhir_server.interactions.portion import GENERAL, NAMES, portion
from kernel.errors import Invalid, MethodNotAllowed

if TYPE_CHECKING:
    from fhir_server.http.fhir import FhirApi
    from fhir_server.http.request import Request
    from fhir_server.model import Context
    from fhir_server.packages.catalogue import Catalogue
    from fhir_server.search.parameters import Known
    from fhir_server.service import FhirService

METADATA: Final = "metadata"
PUBLIC: Final = frozenset({METADATA, ".well-known/smart-configuration"})
KEPT: Final = 4
PLACE: Final = "http://base.invalid"
"""Stands for the address of the server until it is known."""
Statement = tuple[bytes, str, bytes]
_JSON: Final = [(b"content-type", b"application/json")]
_OAUTH: Final = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
_SERVICE: Final = "http://terminology.hl7.org/CodeSystem/restful-security-service"


async def bundle(api: FhirApi, request: Request, ctx: Context, _: list[str]) -> Response:
    body = await request.json(api.settings.max_body_bytes)
    return of_json(200, await api.service.bundle(ctx, body))


async def public(api: FhirApi, request: Request) -> Response:
    """Answer what needs no token: `/metadata`, and how to get one.

    Raises:
        MethodNotAllowed: it is not asked for by GET.
        Invalid: a parameter that it does not take.
    """
    if request.method not in {"GET", "HEAD"}:
        raise MethodNotAllowed(f"`{request.method[:20]}` is not possible here; GET, HEAD is.")
    if request.path != METADATA:
        body = jsonio.encode(smart_configuration(request.base))
        return of_constant(request, body, _tag(body), list(_JSON))
    for name, _ in request.query:
        if name not in GENERAL | NAMES | {"mode"} and request.prefers("handling") != "lenient":
            raise Invalid(
                f"`{name[:80]}` is not a parameter of `metadata`;"
                " `mode`, `_summary`, `_elements`, `_format` and `_pretty` are.",
                code="not-supported",
            )
    mode = request.parameter("mode") or "full"
    body, tag, gzipped = await api.statements.get(request.base, mode)
    wanted = portion("CapabilityStatement", request.query)
    part = wanted.of(body, "CapabilityStatement")
    if part is not body:
        return of_constant(request, part, _tag(part), [])
    return of_constant(request, body, tag, [], gzipped)


class Statements:
    """CapabilityStatements as they are sent: bytes, entity tag, and the bytes compressed.

    One is large, so it is made when a search parameter or a package comes or goes, and only its
    address is put in for each base: callers choose that with `Host`, and must not make us work.
    """

    def __init__(self, service: FhirService, *, guarded: bool) -> None:
        self._service = service
        self._guarded = guarded
        self._known: Known | None = None
        self._catalogue: Catalogue | None = None
        self._forms: dict[str, bytes] = {}
        self._made: OrderedDict[tuple[str, str], Statement] = OrderedDict()

    async def get(self, base: str, mode: str) -> Statement:
        """Return the statement of the server at `base`. Raises Invalid: the mode."""
        known = await self._service.parameters()
        catalogue = self._service.packages.catalogue
        if known is not self._known or catalogue is not self._catalogue:
            self._known, self._catalogue = known, catalogue
            self._forms.clear()
            self._made.clear()
        found = self._made.get((base, mode))
        if found is None:
            root = base.rpartition("/")[0]
            body = self._form(mode).replace(PLACE.encode(), root.encode())
            found = body, _tag(body), await gzipped(body)
            self._made[base, mode] = found
            while len(self._made) > KEPT:
                self._made.popitem(last=False)
        return found

    def _form(self, mode: str) -> bytes:
        found = self._forms.get(mode)
        if found is None:
            security = _security(PLACE) if self._guarded else OPEN
            statement = self._service.capabilities(f"{PLACE}/fhir", security, mode)
            found = self._forms[mode] = jsonio.encode(statement)
        return found


OPEN: Final[dict[str, Any]] = {
    "cors": True,
    "description": "No token is asked for: this server is for trials on one machine.",
}


def _tag(body: bytes) -> str:
    return f'W/"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


def _security(root: str) -> dict[str, Any]:
    token = {"url": "token", "valueUri": f"{root}/auth/token"}
    return {
        "extension": [{"url": _OAUTH, "extension": [token]}],
        "cors": True,
        "service": [{"coding": [{"system": _SERVICE, "code": "SMART-on-FHIR"}]}],
        "description": "OAuth 2.0 bearer tokens with SMART scopes; see"
        f" {root}/fhir/.well-known/smart-configuration.",
    }
