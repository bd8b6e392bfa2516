"""FHIR capabilities interaction: what this server does, generated from what is there.

https://hl7.org/fhir/R4/http.html#capabilities
"""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from fhir_server.search.parameters import supported
from fhir_server.tables import RESOURCE_TYPES
from kernel.clock import instant, now

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_server.model import Resource

FHIR_VERSION: Final = "4.0.1"
STARTED: Final = instant(now())
INTERACTIONS: Final = (
    "read",
    "vread",
    "create",
    "update",
    "delete",
    "history-instance",
    "search-type",
)
FORMATS: Final = ("application/fhir+json", "json")


Offered = tuple[str, str, frozenset[str], frozenset[str]]
"""An operation: name, canonical of its definition, levels, types (none: every type)."""


def capabilities(
    base: str, operations: Sequence[Offered], security: Resource | None = None
) -> dict[str, Any]:
    """Return the CapabilityStatement of the server at `base`."""
    rest: dict[str, Any] = {"mode": "server"}
    if security is not None:
        rest["security"] = dict(security)
    rest["resource"] = _resources(tuple(o for o in operations if o[2] - {"system"}))
    rest["interaction"] = [{"code": "transaction"}, {"code": "batch"}]
    system = [_operation(name, url) for name, url, levels, _ in operations if "system" in levels]
    if system:
        rest["operation"] = system
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": STARTED,
        "kind": "instance",
        "software": {"name": "MedFlow", "version": version("medflow")},
        "implementation": {"description": "MedFlow FHIR R4 server", "url": base},
        "fhirVersion": FHIR_VERSION,
        "format": list(FORMATS),
        "rest": [rest],
    }


@lru_cache(maxsize=1)
def _resources(operations: tuple[Offered, ...]) -> list[dict[str, Any]]:
    found = []
    for type in sorted(RESOURCE_TYPES):
        row = _resource(type)
        own = [_operation(o[0], o[1]) for o in operations if not o[3] or type in o[3]]
        found.append(row | ({"operation": own} if own else {}))
    return found


def _operation(name: str, definition: str) -> dict[str, Any]:
    return {"name": name, "definition": definition}


def _resource(type: str) -> dict[str, Any]:
    parameters = [
        {"name": name, "definition": url, "type": kind} if url else {"name": name, "type": kind}
        for name, kind, url in supported(type)
    ]
    return {
        "type": type,
        "profile": f"http://hl7.org/fhir/StructureDefinition/{type}",
        "interaction": [{"code": code} for code in INTERACTIONS],
        "versioning": "versioned-update",
        "readHistory": True,
        "updateCreate": True,
        "conditionalCreate": True,
        "conditionalRead": "full-support",
        "conditionalUpdate": True,
        "conditionalDelete": "not-supported",
        "referencePolicy": ["literal", "logical"],
        "searchParam": parameters,
    }
