"""What a model said → Device, Observations, DiagnosticReport. Pure functions.

https://hl7.org/fhir/R4/diagnosticreport.html. A machine may not perform or interpret a report: the
model is the Observations' `device` and the Provenance's author. All of it is labelled AIAST (AI
asserted, https://terminology.hl7.org/CodeSystem-v3-ObservationValue.html) and stays `preliminary`
until a clinician decides.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from ai_adapters.study import outward
from kernel.ids import derived

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ai_adapters.adapter import Finding, Model
    from fhir_server.model import Resource

AIAST: Final = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "AIAST",
    "display": "Artificial Intelligence asserted",
}
ARTIFICIAL_INTELLIGENCE: Final = {
    "system": "http://hl7.org/fhir/uv/aitransparency/CodeSystem/AIdeviceTypeCS",
    "code": "Artificial-Intelligence",
}
RADIOLOGY: Final = {"system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": "RAD"}
IMAGING: Final = {
    "system": "http://terminology.hl7.org/CodeSystem/observation-category",
    "code": "imaging",
}
IMAGING_STUDY_REPORT: Final = {
    "system": "http://loinc.org",
    "code": "18748-4",
    "display": "Diagnostic imaging study",
}
STUDY_OBSERVATION: Final = {
    "system": "http://loinc.org",
    "code": "18782-3",
    "display": "Radiology Study observation (narrative)",
}
CERTAINTY: Final = {
    "system": "http://dicom.nema.org/resources/ontology/DCM",
    "code": "111012",
    "display": "Certainty of Finding",
}
ORDERS: Final = ("CarePlan", "ServiceRequest")  # what both our resources may be based on
COPIED: Final = ("subject", "encounter", "basedOn", "effectiveDateTime", "code")
RUN: Final = {"text": "AI run"}


def device_id(model: Model) -> str:
    return derived("Device", "ai", model.name, model.version)


def report_id(model: Model, study: str) -> str:
    """Return the id of the one report of this model and version on this ImagingStudy."""
    return derived("DiagnosticReport", "ai", model.name, model.version, study)


def observation_id(report: str, index: int) -> str:
    return derived("Observation", "ai", report, str(index))


def device(model: Model) -> dict[str, Any]:
    """Return the Device that stands for one version of a model."""
    return {
        "resourceType": "Device",
        "id": device_id(model),
        "status": "active",
        "manufacturer": model.manufacturer,
        "deviceName": [{"name": model.name, "type": "model-name"}],
        "type": {"coding": [ARTIFICIAL_INTELLIGENCE], "text": "Artificial intelligence"},
        "version": [{"type": {"text": "model"}, "value": model.version}],
        "note": [{"text": model.description}, {"text": f"Licence: {model.licence}"}],
    }


def observations(
    model: Model, study: Resource, findings: Sequence[Finding], issued: str
) -> list[dict[str, Any]]:
    """Return one preliminary Observation per finding."""
    report = report_id(model, study["id"])
    return [
        _observation(observation_id(report, index), model, study, finding, issued)
        for index, finding in enumerate(findings)
    ]


def _observation(
    id: str, model: Model, study: Resource, finding: Finding, issued: str
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "resourceType": "Observation",
        "id": id,
        "meta": {"security": [AIAST]},
        "status": "preliminary",
        "category": [{"coding": [IMAGING]}],
        "code": {"coding": [dict(finding.code) if finding.code else STUDY_OBSERVATION]},
        **copied(study),
        "issued": issued,
        "valueString": finding.text,
        "device": {"reference": f"Device/{device_id(model)}"},
        "derivedFrom": [{"reference": f"ImagingStudy/{study['id']}"}],
    }
    if finding.confidence is not None:
        found["component"] = [_certainty(finding.confidence)]
    return found


def _certainty(confidence: float) -> dict[str, Any]:
    percent = (Decimal(confidence) * 100).quantize(Decimal("0.1"))
    quantity = {
        "value": percent,
        "unit": "%",
        "system": "http://unitsofmeasure.org",
        "code": "%",
    }
    return {"code": {"coding": [CERTAINTY]}, "valueQuantity": quantity}


def report(
    model: Model, study: Resource, run: str, findings: Sequence[Finding], issued: str
) -> dict[str, Any]:
    """Return the preliminary DiagnosticReport; `issued` is an instant."""
    id = report_id(model, study["id"])
    results = [
        {"reference": f"Observation/{observation_id(id, index)}"} for index in range(len(findings))
    ]
    return {
        "resourceType": "DiagnosticReport",
        "id": id,
        "meta": {"security": [AIAST]},
        "identifier": [identifier(run)],
        "status": "preliminary",
        "category": [{"coding": [RADIOLOGY]}],
        **copied(study),
        "code": code(study),
        "issued": issued,
        **({"result": results} if results else {}),
        "imagingStudy": [{"reference": f"ImagingStudy/{study['id']}"}],
        "conclusion": conclusion(model, findings),
    }


def conclusion(model: Model, findings: Sequence[Finding]) -> str:
    """Return the findings under a line that no viewer can hide."""
    head = (
        f"PRELIMINARY, by the AI model {model.name} {model.version}, not reviewed by a clinician."
    )
    return "\n".join([head, *([finding.text for finding in findings] or ["No findings."])])


def code(study: Resource) -> dict[str, Any]:
    """Return the procedure's code, or else that of any imaging report."""
    procedures: list[dict[str, Any]] = study.get("procedureCode", [])
    return procedures[0] if procedures else {"coding": [IMAGING_STUDY_REPORT]}


def copied(study: Resource) -> dict[str, Any]:
    """Return what a report and its observations take over from the study."""
    taken: dict[str, Any] = {"subject": study["subject"]}
    if "encounter" in study and outward(study["encounter"]):
        taken["encounter"] = study["encounter"]
    if orders := [order for order in study.get("basedOn", []) if _is_order(order)]:
        taken["basedOn"] = orders
    if "started" in study:
        taken["effectiveDateTime"] = study["started"]
    return taken


def _is_order(reference: dict[str, Any]) -> bool:
    parts = reference.get("reference", "").split("/_history/")[0].split("/")
    type = parts[-2] if len(parts) > 1 else reference.get("type", "")
    return type in ORDERS and outward(reference)


def identifier(run: str) -> dict[str, Any]:
    return {"type": RUN, "system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{run}"}


def is_of(report: Mapping[str, Any], run: str, study: Resource) -> bool:
    """Return whether a stored report already is what this run would write about this study."""
    facts = {**copied(study), "code": code(study)}
    return (
        report["status"] == "preliminary"
        and identifier(run) in report.get("identifier", [])
        and all(report.get(name) == facts.get(name) for name in COPIED)
    )


def is_open(report: Mapping[str, Any]) -> bool:
    """Return whether the report is still the machine's: no clinician moved it on.

    `withdrawn` takes the run's identifier off, so that a report that we cancelled ourselves may be
    written again, and one that a clinician cancelled may not.
    """
    ran = any(each.get("type") == RUN for each in report.get("identifier", []))
    return report["status"] == "preliminary" or (report["status"] == "cancelled" and not ran)


def withdrawn(resource: Mapping[str, Any]) -> dict[str, Any]:
    """Return a report or observation of a study that is no more, or of a finding that went away."""
    kept = [each for each in resource.get("identifier", []) if each.get("type") != RUN]
    changed = {**resource, "status": "cancelled"}
    changed.pop("identifier", None)
    return {**changed, "identifier": kept} if kept else changed
