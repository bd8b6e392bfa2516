"""Patient Module → Patient.

DICOM PS3.3 §C.7.1.1; https://hl7.org/fhir/R4/patient.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from dicom_node.mapping.attribute import Attribute, AttributeMap, items, value
from dicom_node.mapping.values import day, escaped, text
from kernel import ids

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydicom.dataset import Dataset

UNKNOWN_ISSUER: Final = "urn:dicom:issuer:unknown"
"""The system of a Patient ID that nobody is named to have issued: two of them may be equal by
chance, so such a match also needs demographics that do not contradict each other."""

REPRESENTATION: Final = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation"
_GENDER: Final = {"M": "male", "F": "female", "O": "other"}
_GROUPS: Final = (("alphabetic", ""), ("ideographic", "IDE"), ("phonetic", "SYL"))


@dataclass(frozen=True, slots=True)
class Subject:
    """Who a study is about. `system` and `value` are empty for an empty Patient ID."""

    system: str
    value: str
    id: str  # of the Patient to make if none is found
    resource: Mapping[str, Any]


def names(raw: Any) -> list[dict[str, Any]] | None:
    """Return a HumanName per component group that has one; DICOM PS3.5 §6.2.1."""
    made = [
        name
        for group, representation in _GROUPS
        if (name := _name(text(getattr(raw, group, "")) or "", representation))
    ]
    return made or None


def _name(group: str, representation: str) -> dict[str, Any] | None:
    family, given, middle, prefix, suffix = [
        part.strip() for part in (*group.split("^"), "", "", "", "", "")[:5]
    ]
    parts = {
        "family": family,
        "given": [part for part in (given, middle) if part],
        "prefix": [prefix] if prefix else [],
        "suffix": [suffix] if suffix else [],
    }
    name: dict[str, Any] = {key: part for key, part in parts.items() if part}
    if not name:
        return None
    if representation:
        name["extension"] = [{"url": REPRESENTATION, "valueCode": representation}]
    return {"use": "official", **name}


def gender(raw: Any) -> str:
    """Return the administrative gender; a code that DICOM does not define is `unknown`."""
    return _GENDER.get(str(raw).strip().upper(), "unknown")


PATIENT = AttributeMap(
    "Patient",
    (
        Attribute("PatientName", "name", names),
        Attribute("PatientSex", "gender", gender),
        Attribute("PatientBirthDate", "birthDate", day),
    ),
)


def subject(dataset: Dataset, StudyInstanceUID: str) -> Subject:
    """Return who the data set is about.

    Without a Patient ID there is one Patient per study, made from the study's UID.
    """
    resource: dict[str, Any] = {"resourceType": "Patient", **PATIENT.apply(dataset)}
    number = text(value(dataset, "PatientID") or "")
    if number is None:
        return Subject("", "", ids.derived("Patient", "study", StudyInstanceUID), resource)
    system = issuer(dataset)
    resource["identifier"] = [{"use": "usual", "system": system, "value": number}]
    parts = ["Patient", system, number]
    if system == UNKNOWN_ISSUER:
        parts += [resource.get("birthDate", ""), _family(resource)]
    return Subject(system, number, ids.derived(*parts), resource)


def issuer(dataset: Dataset) -> str:
    """Return the identifier system of the Patient ID: (0010,0024), else (0010,0021)."""
    for item in items(dataset, "IssuerOfPatientIDQualifiersSequence"):
        universal = universal_system(item)
        if universal:
            return universal
    return named_system(text(value(dataset, "IssuerOfPatientID") or "")) or UNKNOWN_ISSUER


def universal_system(item: Dataset) -> str | None:
    """Return the URI of a Universal Entity ID; DICOM PS3.3 §10.14."""
    universal = text(value(item, "UniversalEntityID") or "")
    kind = text(value(item, "UniversalEntityIDType") or "")
    if universal and kind == "ISO":
        return f"urn:oid:{escaped(universal)}"
    if universal and kind == "UUID":
        return f"urn:uuid:{escaped(universal).lower()}"
    return universal if universal and kind == "URI" and " " not in universal else None


def named_system(name: str | None) -> str | None:
    """Return the URI of an issuer that is only a name."""
    return f"urn:id:{escaped(name)}" if name else None


def contradicts(candidate: Mapping[str, Any], found: Subject) -> bool:
    """Return whether the demographics of a stored Patient speak against the same person.

    Only asked when the issuer is unknown: a birth date or a family name that differs.
    """
    mine = found.resource
    dates = {other for other in (candidate.get("birthDate"), mine.get("birthDate")) if other}
    families = {name for name in (_family(candidate), _family(mine)) if name}
    return len(dates) > 1 or len(families) > 1


def _family(resource: Mapping[str, Any]) -> str:
    listed = resource.get("name") or [{}]
    return str(listed[0].get("family", "")).casefold()
