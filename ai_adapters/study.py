"""What the runner needs to know about an ImagingStudy.

https://hl7.org/fhir/R4/imagingstudy.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ai_adapters.adapter import Study
from kernel.ids import derived

if TYPE_CHECKING:
    from fhir_server.model import Resource

READABLE: Final = frozenset({"registered", "available", "unknown"})


def facts(resource: Resource) -> Study:
    """Return the study without frames."""
    series = resource.get("series", [])
    codings = [*resource.get("modality", []), *(each.get("modality", {}) for each in series)]
    return Study(
        id=resource["id"],
        uid=_uid(resource),
        modalities=frozenset(coding["code"] for coding in codings if "code" in coding),
        instances=tuple(sorted({i["uid"] for each in series for i in each.get("instance", [])})),
    )


def readable(resource: Resource) -> bool:
    """Return whether there is something to report on, about someone whom a report can name."""
    return (
        resource.get("status") in READABLE
        and any(series.get("instance") for series in resource.get("series", []))
        and "subject" in resource
        and outward(resource["subject"])
    )


def run_id(model: str, version: str, study: Study) -> str:
    """Return the id of the run of one model over exactly these instances."""
    return derived("ai-run", model, version, study.id, *study.instances)


def outward(reference: dict[str, Any]) -> bool:
    """Return whether a reference means the same from another resource: it is not contained."""
    return not reference.get("reference", "").startswith("#")


def _uid(resource: Resource) -> str:
    """Return the StudyInstanceUID. https://hl7.org/fhir/R4/imagingstudy.html#notes"""
    for identifier in resource.get("identifier", []):
        if identifier.get("system") == "urn:dicom:uid":
            return str(identifier.get("value", "")).removeprefix("urn:oid:")
    return ""
