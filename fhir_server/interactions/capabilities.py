"""FHIR capabilities interaction: what this server does, generated from what is there.

https://hl7.org/fhir/R4/http.html#capabilities
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from fhir_server.interactions.described import included, parameters, reversed_included
from fhir_server.interactions.patch import FHIR, JSON_PATCH, MERGE_PATCH
from fhir_server.search.parameters import compartments
from fhir_server.tables import RESOURCE_TYPES
from kernel.clock import instant, now
from kernel.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_server.engine import Engine
    from fhir_server.model import Resource

FHIR_VERSION: Final = "4.0.1"
STARTED: Final = instant(now())
INTERACTIONS: Final = (
    "read",
    "vread",
    "create",
    "update",
    "patch",
    "delete",
    "history-instance",
    "history-type",
    "search-type",
)
SYSTEM_INTERACTIONS: Final = ("transaction", "batch", "search-system", "history-system")
FORMATS: Final = ("application/fhir+json", "json")
PATCH_FORMATS: Final = (JSON_PATCH, FHIR, MERGE_PATCH)
NORMATIVE: Final = frozenset(
    {
        "Binary",
        "Bundle",
        "CapabilityStatement",
        "CodeSystem",
        "Observation",
        "OperationDefinition",
        "OperationOutcome",
        "Parameters",
        "Patient",
        "StructureDefinition",
        "ValueSet",
    }
)
"""https://hl7.org/fhir/R4/versions.html#maturity: the types that will stay as they are."""


class Offered(NamedTuple):
    """An operation: its canonical definition, levels, and types, none for every type."""

    name: str
    definition: str
    levels: frozenset[str]
    types: frozenset[str]


def capabilities(
    engine: Engine,
    base: str,
    operations: Sequence[Offered],
    security: Resource | None = None,
    mode: str = "full",
) -> dict[str, Any]:
    """Return the CapabilityStatement of the server at `base`, or its normative part.

    Raises:
        Invalid: another `mode` than `full` and `normative`.
    """
    if mode == "terminology":
        raise Invalid(
            "`mode=terminology` asks for TerminologyCapabilities, which are not there: this server"
            " has no terminology service yet.",
            code="not-supported",
        )
    if mode not in {"full", "normative"}:
        raise Invalid(f"`mode` is `full`, `normative` or `terminology`, not `{mode[:80]}`.")
    types = RESOURCE_TYPES if mode == "full" else RESOURCE_TYPES & NORMATIVE
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": STARTED,
        "kind": "instance",
        "software": {"name": "MedFlow", "version": version("medflow")},
        "implementation": {"description": "MedFlow FHIR R4 server", "url": base},
        "fhirVersion": FHIR_VERSION,
        "format": list(FORMATS),
        "patchFormat": list(PATCH_FORMATS),
        **_guides(engine),
        "rest": [_rest(engine, sorted(types), operations, security)],
    }


def _guides(engine: Engine) -> dict[str, list[str]]:
    """Return the implementation guides of the loaded packages."""
    found = sorted({guide.canonical for guide in engine.catalogue.all("ImplementationGuide")})
    return {"implementationGuide": found} if found else {}


def _rest(
    engine: Engine, types: list[str], operations: Sequence[Offered], security: Resource | None
) -> dict[str, Any]:
    rest: dict[str, Any] = {"mode": "server"}
    if security is not None:
        rest["security"] = dict(security)
    rest["resource"] = [_resource(engine, type, operations) for type in types]
    rest["interaction"] = [{"code": code} for code in SYSTEM_INTERACTIONS]
    rest["searchParam"] = parameters(engine.known, "Resource")
    system = [_operation(one) for one in operations if "system" in one.levels]
    if system:
        rest["operation"] = system
    definition = "http://hl7.org/fhir/CompartmentDefinition/"
    rest["compartment"] = [definition + owner.lower() for owner in sorted(compartments())]
    return rest


def _resource(engine: Engine, type: str, operations: Sequence[Offered]) -> dict[str, Any]:
    row = {
        "type": type,
        "profile": f"http://hl7.org/fhir/StructureDefinition/{type}",
        "supportedProfile": list(engine.catalogue.profiles(type)),
        "interaction": [{"code": code} for code in INTERACTIONS],
        "versioning": "versioned-update",
        "readHistory": True,
        "updateCreate": True,
        "conditionalCreate": True,
        "conditionalRead": "full-support",
        "conditionalUpdate": True,
        "conditionalDelete": "multiple" if engine.settings.max_conditional_delete else "single",
        "referencePolicy": ["literal", "logical"],
        "searchInclude": included(engine.known, type),
        "searchRevInclude": reversed_included(engine.known, type),
        "searchParam": parameters(engine.known, type),
    }
    own = [_operation(one) for one in operations if _on_resources(one, type)]
    return {name: value for name, value in (row | {"operation": own}).items() if value != []}


def _on_resources(operation: Offered, type: str) -> bool:
    offered = not operation.types or type in operation.types
    return offered and bool(operation.levels - {"system"})


def _operation(operation: Offered) -> dict[str, Any]:
    return {"name": operation.name, "definition": operation.definition}
