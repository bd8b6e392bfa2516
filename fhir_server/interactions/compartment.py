"""Compartments: the resources that belong to one patient, encounter, practitioner, relative, device.

https://hl7.org/fhir/R4/compartmentdefinition.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fhir_server.search import parameters
from fhir_server.search.kind import Condition, Where
from fhir_server.search.tokens import compartment_token, token

if TYPE_CHECKING:
    from collections.abc import Sequence


def within(type: str, owner: str, id: str) -> Condition | None:
    """Return the condition that documents of `type` in the compartment `owner/id` meet.

    None if the definition has no resources of this type in the compartment.
    """
    keys = parameters.compartment(type, owner)
    own = [{"_id": f"{owner}/{id}"}] if type == owner else []
    if not keys and not own:
        return None
    if owner == "Patient":
        return Where({"k": compartment_token(f"Patient/{id}")})
    found = [{"k": token(f"{type}.{key}={owner}/{id}")} for key in sorted(keys)]
    return Where({"$or": [*found, *own]})


def types(owner: str) -> Sequence[str]:
    """Return the types that a compartment may hold, itself included."""
    members = parameters.compartments().get(owner, {})
    return sorted({owner, *members})
