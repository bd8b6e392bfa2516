"""General Study, General Series and SOP Common Modules → ImagingStudy.

DICOM PS3.3 §C.7.2.1, §C.7.3.1, §C.12.1; https://hl7.org/fhir/R4/imagingstudy.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from dicom_node.mapping.attribute import Attribute, AttributeMap, items, value
from dicom_node.mapping.patient import Subject, named_system, subject, universal_system
from dicom_node.mapping.values import DCM, SNOMED, code, coding, moment, text, unsigned
from kernel import ids

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

    from pydicom.dataset import Dataset

    from dicom_node.header import Header

IDENTIFIER_SYSTEM: Final = "urn:dicom:uid"
ACCESSION_TYPE: Final = {
    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "ACSN"}]
}
_LATERALITY: Final = {
    "R": ("24028007", "Right"),
    "L": ("7771000", "Left"),
    "B": ("51440002", "Bilateral"),
}


@dataclass(frozen=True, slots=True)
class Mapped:
    """One instance as FHIR: its share of the study, its series and itself."""

    id: str  # of the ImagingStudy
    StudyInstanceUID: str
    SOPInstanceUID: str
    study: Mapping[str, Any]
    series: Mapping[str, Any]
    instance: Mapping[str, Any]
    subject: Subject


def person(raw: Any) -> dict[str, str] | None:
    """Return a logical reference to somebody of whom only the name is known."""
    name = text(str(raw).partition("=")[0].replace("^", " "))
    return {"type": "Practitioner", "display": " ".join(name.split())} if name else None


def people(raw: Any) -> list[dict[str, str]] | None:
    listed = [raw] if isinstance(raw, str) or hasattr(raw, "alphabetic") else list(raw)
    return [found for one in listed if (found := person(one))] or None


def procedure(raw: Any) -> list[dict[str, Any]] | None:
    """Return the CodeableConcepts of a code sequence."""
    try:
        found = [made for item in raw if (made := coding(item))]
    except (TypeError, AttributeError):
        return None
    return [{"coding": [made]} for made in found] or None


def modality(raw: Any) -> dict[str, str] | None:
    found = code(raw)
    return {"system": DCM, "code": found} if found else None


def body_site(raw: Any) -> dict[str, str] | None:
    """Return a Coding with only a display: the defined terms are words, not codes."""
    found = text(raw)
    return {"display": found} if found else None


def laterality(raw: Any) -> dict[str, str] | None:
    found = _LATERALITY.get(str(raw).strip().upper())
    return {"system": SNOMED, "code": found[0], "display": found[1]} if found else None


def performer(raw: Any) -> list[dict[str, Any]] | None:
    return [{"actor": one} for one in people(raw) or ()] or None


def title(raw: Any) -> str | None:
    """Return the third value of Image Type, such as `AXIAL`; DICOM PS3.3 §C.7.6.1.1.2."""
    if isinstance(raw, str) or len(raw) < 3:
        return None
    return text(raw[2])


STUDY = AttributeMap(
    "ImagingStudy",
    (
        Attribute("StudyDescription", "description", text),
        Attribute("ReferringPhysicianName", "referrer", person),
        Attribute("NameOfPhysiciansReadingStudy", "interpreter", people),
        Attribute("ProcedureCodeSequence", "procedureCode", procedure),
    ),
)

SERIES = AttributeMap(
    "ImagingStudy.series",
    (
        Attribute("SeriesNumber", "number", unsigned),
        Attribute("Modality", "modality", modality),
        Attribute("SeriesDescription", "description", text),
        Attribute("BodyPartExamined", "bodySite", body_site),
        Attribute("Laterality", "laterality", laterality),
        Attribute("PerformingPhysicianName", "performer", performer),
    ),
)

INSTANCE = AttributeMap(
    "ImagingStudy.series.instance",
    (
        Attribute("InstanceNumber", "number", unsigned),
        Attribute("ImageType", "title", title),
    ),
)


def mapped(header: Header, zone: tzinfo) -> Mapped:
    """Return one instance as FHIR; times without an offset are in `zone`."""
    dataset = header.dataset
    study: dict[str, Any] = {
        "identifier": [study_identifier(header.StudyInstanceUID), *accession(dataset)],
        **STUDY.apply(dataset),
        **_started(dataset, "StudyDate", "StudyTime", zone),
    }
    ordered = [
        {"type": "ServiceRequest", "identifier": number} for number in study["identifier"][1:]
    ]
    if ordered:
        study["basedOn"] = ordered
    return Mapped(
        id=ids.derived("ImagingStudy", header.StudyInstanceUID),
        StudyInstanceUID=header.StudyInstanceUID,
        SOPInstanceUID=header.SOPInstanceUID,
        study=study,
        series={
            "uid": header.SeriesInstanceUID,
            "modality": {"system": DCM, "code": "OT"},  # 1..1 in FHIR; replaced if it is known
            **SERIES.apply(dataset),
            **_started(dataset, "SeriesDate", "SeriesTime", zone),
        },
        instance={
            "uid": header.SOPInstanceUID,
            "sopClass": {"system": "urn:ietf:rfc:3986", "code": f"urn:oid:{header.SOPClassUID}"},
            **INSTANCE.apply(dataset),
        },
        subject=subject(dataset, header.StudyInstanceUID),
    )


def study_identifier(StudyInstanceUID: str) -> dict[str, Any]:
    """Return the identifier that every ImagingStudy of this study carries."""
    return {
        "use": "official",
        "system": IDENTIFIER_SYSTEM,
        "value": f"urn:oid:{StudyInstanceUID}",
    }


def accession(dataset: Dataset) -> list[dict[str, Any]]:
    """Return the Accession Number as an identifier, with the system of its issuer if named."""
    number = text(value(dataset, "AccessionNumber") or "")
    if number is None:
        return []
    made: dict[str, Any] = {"type": ACCESSION_TYPE, "value": number}
    for item in items(dataset, "IssuerOfAccessionNumberSequence"):
        local = text(value(item, "LocalNamespaceEntityID") or "")
        system = universal_system(item) or named_system(local)
        if system:
            made["system"] = system
    return [made]


def _started(dataset: Dataset, date: str, time: str, zone: tzinfo) -> dict[str, str]:
    found = moment(dataset, date, time, zone)
    return {"started": found} if found else {}
