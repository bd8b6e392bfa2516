"""Who did it and what went wrong: Provenance of a report, Task of a failed run. Pure functions.

https://hl7.org/fhir/R4/provenance.html, https://hl7.org/fhir/R4/task.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from ai_adapters.report import AIAST, device_id, identifier
from kernel.ids import derived

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ai_adapters.adapter import Model
    from fhir_server.model import Resource

Activity = Literal["CREATE", "UPDATE", "CANCEL"]
OPERATION: Final = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"
AUTHOR: Final = {
    "system": "http://terminology.hl7.org/CodeSystem/provenance-participant-type",
    "code": "author",
}
FAILED_RUN: Final = {"text": "ai-run"}


def provenance(
    id: str,
    model: Model,
    study: str,
    targets: Sequence[str],
    recorded: str,
    activity: Activity,
) -> dict[str, Any]:
    """Return who wrote `targets` (references), from what; `recorded` is an instant."""
    return {
        "resourceType": "Provenance",
        "id": derived("Provenance", "ai", id),
        "meta": {"security": [AIAST]},
        "target": [{"reference": target} for target in targets],
        "recorded": recorded,
        "activity": {"coding": [{"system": OPERATION, "code": activity}]},
        "agent": [
            {
                "type": {"coding": [AUTHOR]},
                "who": {"reference": f"Device/{device_id(model)}"},
            }
        ],
        "entity": [{"role": "source", "what": {"reference": f"ImagingStudy/{study}"}}],
    }


def task_id(run: str) -> str:
    return derived("Task", "ai", run)


def task(model: Model, study: Resource, run: str, reason: str, at: str) -> dict[str, Any]:
    """Return the record of a run that failed; `reason` is a sentence without the patient."""
    return {
        "resourceType": "Task",
        "id": task_id(run),
        "identifier": [identifier(run)],
        "status": "failed",
        "statusReason": {"text": reason},
        "intent": "order",
        "code": FAILED_RUN,
        "focus": {"reference": f"ImagingStudy/{study['id']}"},
        "for": study["subject"],
        "authoredOn": at,
        "lastModified": at,
        "owner": {"reference": f"Device/{device_id(model)}"},
    }
