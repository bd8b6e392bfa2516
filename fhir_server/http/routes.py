"""Which interaction a method and a path ask for, as a table.

https://hl7.org/fhir/R4/http.html#summary
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fhir_server.http import histories, jobs, operations, resources, searches, system
from fhir_server.http.request import segments
from fhir_server.tables import RESOURCE_TYPES
from kernel.errors import MethodNotAllowed, NotFound

if TYPE_CHECKING:
    from fhir_server.http.fhir import FhirApi
    from fhir_server.http.request import Request
    from fhir_server.http.response import Response
    from fhir_server.model import Context

Handler = Callable[["FhirApi", "Request", "Context", list[str]], Awaitable["Response"]]

COMPARTMENTS: Final = frozenset({"Patient", "Encounter", "RelatedPerson", "Practitioner", "Device"})
"""https://hl7.org/fhir/R4/compartmentdefinition.html"""


@dataclass(frozen=True, slots=True)
class Place:
    """A kind of path: what each method does there. HEAD is GET without the body.

    `later` are the methods that `Prefer: respond-async` may put off.
    """

    methods: Mapping[str, Handler]
    later: frozenset[str] = frozenset()

    def handler(self, method: str) -> Handler | None:
        return self.methods.get("GET" if method == "HEAD" else method)

    @property
    def allowed(self) -> tuple[str, ...]:
        found = tuple(self.methods)
        return ("GET", "HEAD", *found[1:]) if found[0] == "GET" else found


_GET: Final = frozenset({"GET"})
_POST: Final = frozenset({"POST"})

SYSTEM: Final = Place({"GET": searches.of_system, "POST": system.bundle}, _GET | _POST)
SYSTEM_SEARCH: Final = Place({"POST": searches.of_system_by_form}, _POST)
SYSTEM_HISTORY: Final = Place({"GET": histories.of_system}, _GET)
TYPE: Final = Place(
    {
        "GET": searches.of_type,
        "POST": resources.create,
        "PUT": resources.conditional_update,
        "PATCH": resources.conditional_patch,
        "DELETE": resources.conditional_delete,
    },
    _GET,
)
TYPE_SEARCH: Final = Place({"POST": searches.of_type_by_form}, _POST)
TYPE_HISTORY: Final = Place({"GET": histories.of_type}, _GET)
INSTANCE: Final = Place(
    {
        "GET": resources.read,
        "PUT": resources.update,
        "PATCH": resources.patch,
        "DELETE": resources.delete,
    }
)
HISTORY: Final = Place({"GET": histories.of_one, "DELETE": histories.delete}, _GET)
VERSION: Final = Place({"GET": resources.vread})
COMPARTMENT: Final = Place({"GET": searches.of_compartment}, _GET)
COMPARTMENT_SEARCH: Final = Place({"POST": searches.of_compartment_by_form}, _POST)
OPERATION: Final = Place({"GET": operations.get, "POST": operations.post}, _GET | _POST)
JOB: Final = Place({"GET": jobs.look, "DELETE": jobs.cancel})


async def route(api: FhirApi, request: Request, ctx: Context) -> Response:
    """Answer a request, now or, if the caller prefers and the place allows it, later.

    Raises:
        NotFound: no interaction has such a path.
        MethodNotAllowed: one has, but not with this method.
    """
    parts = segments(request.path)
    found = place(parts)
    handler = found.handler(request.method)
    if handler is None:
        raise MethodNotAllowed(
            f"`{request.method[:20]}` is not possible here; {', '.join(found.allowed)} is."
        )
    if request.method in found.later and request.prefers("respond-async") is not None:
        return await jobs.start(api, request, ctx, lambda: handler(api, request, ctx, parts))
    return await handler(api, request, ctx, parts)


def place(parts: list[str]) -> Place:
    """Return what is at a path.

    Raises:
        NotFound: nothing is.
    """
    if not parts:
        return SYSTEM
    if "" in parts:
        raise nowhere(parts)
    if parts[-1].startswith("$"):
        return _operation(parts)
    if parts[0].startswith("_"):
        return _of_system(parts)
    if parts[0] not in RESOURCE_TYPES:
        raise NotFound(
            f"`{parts[0][:80]}` is not a resource type of FHIR R4, nor a path of this server.",
            code="not-supported",
        )
    return _of_type(parts, parts[1:])


def _of_system(parts: list[str]) -> Place:
    match parts:
        case ["_search"]:
            return SYSTEM_SEARCH
        case ["_history"]:
            return SYSTEM_HISTORY
        case ["_async", _]:
            return JOB
        case _:
            raise nowhere(parts)


def _of_type(parts: list[str], rest: list[str]) -> Place:
    match rest:
        case []:
            return TYPE
        case ["_search"]:
            return TYPE_SEARCH
        case ["_history"]:
            return TYPE_HISTORY
        case [id] if not id.startswith("_"):
            return INSTANCE
        case [_, *below] if below:
            return _below_instance(parts, below)
        case _:
            raise nowhere(parts)


def _below_instance(parts: list[str], rest: list[str]) -> Place:
    match rest:
        case ["_history"]:
            return HISTORY
        case ["_history", _]:
            return VERSION
        case [kind, *form] if kind in RESOURCE_TYPES or kind == "*":
            if parts[0] not in COMPARTMENTS:
                raise NotFound(
                    f"`{parts[0]}` has no compartment; {', '.join(sorted(COMPARTMENTS))} have.",
                    code="not-supported",
                )
            if not form:
                return COMPARTMENT
            if form == ["_search"]:
                return COMPARTMENT_SEARCH
    raise nowhere(parts)


def _operation(parts: list[str]) -> Place:
    """`$name`, `Type/$name` or `Type/id/$name`."""
    where = parts[:-1]
    if len(where) > 2 or (where and where[0] not in RESOURCE_TYPES):
        raise nowhere(parts)
    return OPERATION


def nowhere(parts: list[str]) -> NotFound:
    return NotFound(f"`{'/'.join(parts)[:120]}` is not a path of this server.")
