"""What can never be found is said before it is looked for.

https://hl7.org/fhirpath/N1/#type-safety-and-strict-evaluation
"""

from __future__ import annotations

import pytest

from fhir_server import fhirpath
from kernel.errors import BadValue


@pytest.mark.parametrize(
    "expression",
    [
        "name.given",
        "Patient.name.where(use = 'official').given",
        "DomainResource.text",
        "deceased as dateTime",
        "deceased.ofType(boolean)",
        "contact.name.family | name.family",
        "extension('u').value.ofType(Quantity).unit",
        "extension.extension.value.code",
        "contained.anything",
        "managingOrganization.resolve().name",
        "descendants().anything",
        "name.select(given | family)",
        "iif(active, name, contact.name).given",
        "name.all($this.given.exists() or family.exists())",
        "%resource.name.family",
        "%unknown.anything",
        "birthDate.extension.url",
        "name.given.length() > 1 and name.count().toString().length() > 0",
    ],
)
def test_what_can_be_found_passes(expression: str) -> None:
    fhirpath.check(fhirpath.compile(expression), "Patient")


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("name.givn", "There is no element `givn` in `HumanName` (character 6)."),
        ("Patient.nme", "There is no element `nme` in `Patient` (character 9)."),
        ("deceasedBoolean", "There is no element `deceasedBoolean` in `Patient` (character 1)."),
        ("name.where(usse = 'x')", "There is no element `usse` in `HumanName` (character 12)."),
        ("birthDate.value", "There is no element `value` in `date` (character 11)."),
        ("(deceased as boolean).start", "There is no element `start` in `boolean` (character 23)."),
        ("name.count().given", "There is no element `given` in `Integer` (character 14)."),
        ("extension('u').valu", "There is no element `valu` in `Extension` (character 16)."),
        (
            "Observation.code",
            "`Observation` (character 1) is not the type of what it is evaluated on: `Patient`.",
        ),
    ],
)
def test_what_can_never_be_found_is_refused(expression: str, why: str) -> None:
    with pytest.raises(BadValue) as refusal:
        fhirpath.check(fhirpath.compile(expression), "Patient")

    assert str(refusal.value) == why


def test_one_of_several_types_is_enough() -> None:
    expression = fhirpath.compile("Patient.name | Practitioner.qualification")

    fhirpath.check(expression, "Patient", "Practitioner")


def test_order_is_missed_only_if_it_is_asked_for() -> None:
    expression = fhirpath.compile("children().first()")

    fhirpath.check(expression, "Patient")
    with pytest.raises(BadValue, match=r"`first\(\)` needs an order"):
        fhirpath.check(expression, "Patient", ordered=True)
