"""Where the resources of a message come from: Provenance.

https://hl7.org/fhir/R4/provenance.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kernel import clock, ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hl7_listener.sender import Sender

Json = dict[str, Any]

MESSAGE: Final = "urn:medflow:message"
"""System of the identifiers under which original messages are kept."""

_AUTHOR: Final = {
    "coding": [
        {
            "system": "http://terminology.hl7.org/CodeSystem/provenance-participant-type",
            "code": "author",
        }
    ]
}


def provenance(id: str, kind: str, sender: Sender, targets: Sequence[Json], at: int) -> Json:
    """Return the Provenance of all that the message `id`, received `at`, made."""
    who = sender.application or sender.facility or "unknown"
    shown = " at ".join(filter(None, (sender.application, sender.facility))) or "unknown sender"
    return {
        "resourceType": "Provenance",
        "id": ids.derived("hl7v2", "Provenance", id),
        "target": list(targets),
        "recorded": clock.instant(at),
        "agent": [
            {
                "type": _AUTHOR,
                "who": {"identifier": {"system": sender.system, "value": who}, "display": shown},
            }
        ],
        "entity": [
            {
                "role": "source",
                "what": {"identifier": {"system": MESSAGE, "value": id}, "display": kind},
            }
        ],
    }
