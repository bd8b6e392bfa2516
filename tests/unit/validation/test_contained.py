"""Contained resources: dom-2 to dom-5, and the references to them.

https://hl7.org/fhir/R4/references.html#contained
"""

from __future__ import annotations

from typing import Any, Final

import pytest

from fhir_server.validation import faults
from fhir_server.validation.checks import check

ORGANIZATION: Final = {"resourceType": "Organization", "id": "o", "name": "Ward"}


def patient(*contained: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "contained": list(contained), **members}


def to(id: str) -> dict[str, Any]:
    return {"reference": f"#{id}"}


@pytest.mark.parametrize(
    "resource",
    [
        patient(ORGANIZATION, managingOrganization=to("o")),
        # Contained resources may refer to one another, and to what contains them.
        patient(
            ORGANIZATION | {"partOf": to("p")},
            ORGANIZATION | {"id": "p"},
            managingOrganization=to("o"),
        ),
        patient({"resourceType": "Basic", "id": "b", "code": {"text": "x"}, "subject": to("")}),
        # A canonical or a URI refers as well.
        {
            "resourceType": "QuestionnaireResponse",
            "status": "completed",
            "contained": [{"resourceType": "Questionnaire", "id": "q", "status": "draft"}],
            "questionnaire": "#q",
        },
        patient(ORGANIZATION, extension=[{"url": "http://e", "valueUri": "#o"}]),
        {"resourceType": "Patient", "managingOrganization": {"reference": "#"}},
    ],
)
def test_what_is_referred_to_may_be_contained(resource: dict[str, Any]) -> None:
    assert faults(resource, strict=True) == []


def test_a_resource_that_contains_others_passes_the_fast_walker() -> None:
    assert check("Patient")(patient(ORGANIZATION, managingOrganization=to("o")))


@pytest.mark.parametrize(
    ("resource", "path", "sentence"),
    [
        (
            patient(ORGANIZATION),
            "Patient.contained[0]",
            "Nothing refers to the contained resource `o`: use `#o` (dom-3).",
        ),
        # A string is no reference.
        (
            patient(ORGANIZATION, name=[{"text": "#o"}]),
            "Patient.contained[0]",
            "Nothing refers to the contained resource `o`: use `#o` (dom-3).",
        ),
        (
            {"resourceType": "Patient", "managingOrganization": to("o")},
            "Patient.managingOrganization.reference",
            "`#o` points to no contained resource; nothing is contained (ref-1).",
        ),
        (
            patient(ORGANIZATION, managingOrganization=to("o"), generalPractitioner=[to("p")]),
            "Patient.generalPractitioner[0].reference",
            "`#p` points to no contained resource; `#o` are contained (ref-1).",
        ),
        (
            patient(ORGANIZATION | {"meta": {"versionId": "1"}}, managingOrganization=to("o")),
            "Patient.contained[0].meta.versionId",
            "A contained resource has no version of its own: leave `versionId` out (dom-4).",
        ),
        (
            patient(
                ORGANIZATION | {"meta": {"security": [{"code": "R"}]}}, managingOrganization=to("o")
            ),
            "Patient.contained[0].meta.security",
            "A contained resource has no security labels of its own (dom-5).",
        ),
        (
            patient(
                {"resourceType": "Basic", "id": "o", "code": {"text": "x"}},
                managingOrganization=to("o"),
            ),
            "Patient.managingOrganization.reference",
            "`#o` points to a Basic, expected a reference to `Organization`.",
        ),
        (
            patient(
                ORGANIZATION | {"contained": [ORGANIZATION | {"id": "p"}]},
                managingOrganization=to("o"),
            ),
            "Patient.contained[0].contained",
            "A contained resource must not contain others (dom-2). Move them one level up.",
        ),
    ],
)
def test_what_is_wrong_with_contained_resources_is_told(
    resource: dict[str, Any], path: str, sentence: str
) -> None:
    (issue,) = faults(resource)

    assert (issue.expression, issue.diagnostics) == ((path,), sentence)
    assert not check("Patient")(resource)


def test_an_entry_of_a_bundle_stands_on_its_own() -> None:
    entry = {"resource": {"resourceType": "Patient", "managingOrganization": to("o")}}
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [entry]}

    (issue,) = faults(bundle)

    assert issue.expression == ("Bundle.entry[0].resource.managingOrganization.reference",)


def test_many_contained_resources_cost_no_more_than_each() -> None:
    contained = [ORGANIZATION | {"id": f"o{n}"} for n in range(20_000)]
    resource = patient(*contained, generalPractitioner=[to(f"o{n}") for n in range(20_000)])

    assert faults(resource) == []
