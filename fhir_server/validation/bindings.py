"""Required bindings: the code must come from the value set.

https://hl7.org/fhir/R4/terminologies.html#required
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fhir_server.tables import ValueSet


def covers(value_set: ValueSet, concept: Any) -> bool:
    """Return whether one coding of a well-formed CodeableConcept is in the value set."""
    return any(_holds(value_set, coding) for coding in concept.get("coding", ()))


def _holds(value_set: ValueSet, coding: Any) -> bool:
    code = coding.get("code")
    system = coding.get("system")
    codes = value_set.codes if system is None else value_set.systems.get(system, ())
    return code in codes
