"""Validation of resources against R4 itself, as far as a level asks.

https://hl7.org/fhir/R4/validation.html

`structure` is shape, formats, cardinality, required codes, and the invariants that are met most;
`strict` adds all others. Profiles are judged in `fhir_server.conformance`.
"""

from __future__ import annotations

from typing import Any

from fhir_server.tables import RESOURCE_TYPES
from fhir_server.validation import invariants
from fhir_server.validation.checks import check
from fhir_server.validation.explain import MOST, explain
from fhir_server.validation.position import placed
from fhir_server.validation.sentences import unknown_type
from kernel.errors import Invalid, Issue

__all__ = ["faults", "validate"]


def validate(
    resource: dict[str, Any], type: str | None = None, *, strict: bool = False, body: bytes = b""
) -> None:
    """Check one resource; `type` is what it must be, if that is known.

    `strict` asks for all invariants. `body` are the bytes that the resource was decoded from: the
    faults then have their lines.

    Raises:
        Invalid: with every fault, each with its FHIRPath and JSON pointer.
    """
    issues = faults(resource, type, strict=strict)
    if issues:
        raise Invalid(issues[0].diagnostics, issues=placed(issues, body) if body else issues)


def faults(
    resource: dict[str, Any], type: str | None = None, *, strict: bool = False
) -> list[Issue]:
    """Return every fault of a resource, the first hundred of them; empty if it is valid."""
    wanted = type or resource.get("resourceType")
    if wanted.__class__ is not str or wanted not in RESOURCE_TYPES:
        sentence = unknown_type(wanted)
        return [Issue("structure", sentence, ("resourceType",), pointer="/resourceType")]
    found = [] if check(wanted)(resource) else explain(resource, wanted)
    if not strict or len(found) >= MOST:
        return found
    return [*found, *invariants.faults(resource, wanted, found)][:MOST]
