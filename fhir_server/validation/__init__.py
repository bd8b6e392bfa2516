"""Validation of resources, at the level `structure`: shape, formats, cardinality, required codes.

https://hl7.org/fhir/R4/validation.html

Invariants and profiles are further levels: each will be one more walker beside `explain`.
"""

from __future__ import annotations

from typing import Any

from fhir_server.tables import RESOURCE_TYPES
from fhir_server.validation.checks import check
from fhir_server.validation.explain import explain, unknown_type
from kernel.errors import Invalid, Issue

__all__ = ["validate"]


def validate(resource: dict[str, Any], type: str | None = None) -> None:
    """Check one resource; `type` is what it must be, if that is known.

    Raises:
        Invalid: with every fault, each with its FHIRPath.
    """
    wanted = type or resource.get("resourceType")
    if wanted.__class__ is not str or wanted not in RESOURCE_TYPES:
        sentence = unknown_type(wanted)
        raise Invalid(sentence, issues=[Issue("structure", sentence, ("resourceType",))])
    if check(wanted)(resource):
        return
    if issues := explain(resource, wanted):
        raise Invalid(issues[0].diagnostics, issues=issues)
