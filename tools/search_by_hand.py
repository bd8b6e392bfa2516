"""What the search parameters of R4 do not say in their expressions, written by hand.

https://hl7.org/fhir/R4/searchparameter-registry.html
"""

from __future__ import annotations

from typing import Final

Rows = list[list[str]]

EXTENSIONS: Final = "http://hl7.org/fhir/StructureDefinition/"


def extension(name: str, *datatypes: str) -> Rows:
    """Return the rows of an extension's value: the paths of R4 stop at the extension."""
    return [
        [
            f"extension[{name}]",
            f"extension[url={EXTENSIONS}{name}].value{datatype[0].upper()}{datatype[1:]}",
            datatype,
        ]
        for datatype in datatypes
    ]


def about(name: str, *, type: str, author: str) -> dict[str, tuple[str, Rows]]:
    """Return the parameters on the extensions of terminology; R4 gives them no base."""
    start = f"{name}-extensions-{type}"
    return {
        f"{start}-author": (type, author_of(name, author)),
        f"{start}-effective": (type, extension(f"{name}-effectiveDate", "date", "dateTime")),
        f"{start}-end": (type, extension(f"{name}-expirationDate", "date")),
        f"{start}-keyword": (type, extension(f"{name}-keyWord", "string")),
        f"{start}-workflow": (type, extension(f"{name}-workflowStatus", "string")),
    }


def author_of(name: str, datatype: str) -> Rows:
    rows = extension(f"{name}-author", datatype)
    # A ContactDetail is found by the name in it.
    return (
        [[key, f"{members}.name", "string"] for key, members, _ in rows]
        if (datatype == "ContactDetail")
        else rows
    )


DNA: Final = extension("observation-geneticsDnaVariant", "string", "CodeableConcept")

BY_HAND: Final[dict[str, tuple[str, Rows]]] = {
    # What the expression computes; `fhir_server/search/extract.py` does the same.
    "Patient-deceased": ("Patient", [["deceased", "deceased[x]", "boolean"]]),
    "Location-near": ("Location", [["position", "position", "position"]]),
    "Bundle-composition": ("Bundle", [["entry[0].resource", "entry[0].resource", "Reference"]]),
    "Bundle-message": ("Bundle", [["entry[0].resource", "entry[0].resource", "Reference"]]),
    "questionnaireresponse-extensions-QuestionnaireResponse-item-subject": (
        "QuestionnaireResponse",
        [
            [
                "item[isSubject].answer.valueReference",
                f"item[extension={EXTENSIONS}questionnaireresponse-isSubject].answer.valueReference",
                "Reference",
            ]
        ],
    ),
    "patient-extensions-Patient-age": ("Patient", [["birthDate", "birthDate", "age"]]),
    "patient-extensions-Patient-birthOrderBoolean": (
        "Patient",
        [["multipleBirth", "multipleBirthBoolean", "boolean"]],
    ),
    # The expression names a URL that no extension has.
    "patient-extensions-Patient-mothersMaidenName": (
        "Patient",
        extension("patient-mothersMaidenName", "string"),
    ),
    **about("codesystem", type="CodeSystem", author="string"),
    **about("valueset", type="ValueSet", author="ContactDetail"),
}
"""For each parameter its type and the rows `key, members, data type`."""

PRIMARY: Final = {
    "Account": ["period"],
    "Basic": ["created"],
    "Bundle": ["timestamp"],
    "ChargeItem": ["occurrence", "entered-date"],
    "Claim": ["created"],
    "ClaimResponse": ["created"],
    "Communication": ["sent", "received"],
    "CommunicationRequest": ["authored"],
    "Condition": ["onset-date", "recorded-date"],
    "Contract": ["issued"],
    "CoverageEligibilityRequest": ["created"],
    "CoverageEligibilityResponse": ["created"],
    "DetectedIssue": ["identified"],
    "DeviceRequest": ["event-date", "authored-on"],
    "DiagnosticReport": ["date", "issued"],
    "DocumentManifest": ["created"],
    "ExplanationOfBenefit": ["created"],
    "Goal": ["start-date"],
    "ImagingStudy": ["started"],
    "Media": ["created"],
    "MedicationAdministration": ["effective-time"],
    "MedicationDispense": ["whenhandedover", "whenprepared"],
    "MedicationRequest": ["authoredon"],
    "MedicationStatement": ["effective"],
    "NutritionOrder": ["datetime"],
    "PaymentNotice": ["created"],
    "PaymentReconciliation": ["created"],
    "Provenance": ["recorded"],
    "QuestionnaireResponse": ["authored"],
    "RequestGroup": ["authored"],
    "ServiceRequest": ["occurrence", "authored"],
    "Slot": ["start"],
    "Specimen": ["collected"],
    "Task": ["authored-on", "modified"],
    "TestReport": ["issued"],
    "VisionPrescription": ["datewritten"],
}
"""The date that a clinician sorts by, best first, for types where it is not `date`. Our choice."""
