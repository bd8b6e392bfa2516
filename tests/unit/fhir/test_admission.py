"""Levels of validation: of the server and of single types.

https://hl7.org/fhir/R4/validation.html
"""

from __future__ import annotations

from typing import Any, Final

import pytest

from fhir_server.admission import Admission
from fhir_server.conformance import Definition, Library
from kernel.errors import Invalid
from kernel.settings import Fhir, load

NONE: Final = Library()
PROFILE: Final = "http://example.org/StructureDefinition/named"


def _named() -> dict[str, Any]:
    """A profile of Patient that wants a name."""
    base = "http://hl7.org/fhir/StructureDefinition/Patient"
    name = {"id": "Patient.name", "path": "Patient.name", "min": 1, "max": "*"}
    return {
        "resourceType": "StructureDefinition",
        "url": PROFILE,
        "name": "Named",
        "status": "active",
        "kind": "resource",
        "abstract": False,
        "type": "Patient",
        "baseDefinition": base,
        "derivation": "constraint",
        "differential": {"element": [{"id": "Patient", "path": "Patient"}, name]},
    }


PACKAGES: Final = Library([Definition("StructureDefinition", PROFILE, "", "x#1", _named)])
MISSPELT: Final = {"resourceType": "Patient", "nmae": "x"}
WITHOUT_SYSTEM: Final = {"resourceType": "Patient", "telecom": [{"value": "1"}]}
NAMELESS: Final = {"resourceType": "Patient", "active": True, "meta": {"profile": [PROFILE]}}
NAMED: Final = NAMELESS | {"name": [{"family": "Test"}]}
UNDECLARED: Final = {"resourceType": "Patient", "active": True}


def refused(level: str, resource: dict[str, Any]) -> list[str]:
    """Return the paths of what a level finds."""
    admission = Admission.of(Fhir(validation=level))  # type: ignore[arg-type]  # one of the levels
    try:
        admission.check(resource, "Patient", PACKAGES)
    except Invalid as error:
        return [issue.expression[0] for issue in error.issues]
    return []


@pytest.mark.parametrize(
    ("resource", "levels"),
    [
        (MISSPELT, ["structure", "strict", "profiles-declared", "profiles-required"]),
        (WITHOUT_SYSTEM, ["strict", "profiles-declared", "profiles-required"]),
        (NAMELESS, ["profiles-declared", "profiles-required"]),
        (UNDECLARED, ["profiles-required"]),
        (NAMED, []),
    ],
)
def test_each_level_asks_for_more_than_the_one_before(
    resource: dict[str, Any], levels: list[str]
) -> None:
    all_levels = ["off", "structure", "strict", "profiles-declared", "profiles-required"]

    assert [level for level in all_levels if refused(level, resource)] == levels


def test_the_profile_that_says_so_is_named() -> None:
    admission = Admission.of(Fhir(validation="profiles-declared"))

    with pytest.raises(Invalid) as caught:
        admission.check(NAMELESS, "Patient", PACKAGES)

    (issue,) = caught.value.issues
    assert issue.expression == ("Patient.name",)
    assert PROFILE in issue.diagnostics


def test_a_fault_that_both_see_is_told_once() -> None:
    assert refused("profiles-declared", WITHOUT_SYSTEM) == ["Patient.telecom[0]"]


def test_a_type_may_have_a_level_of_its_own() -> None:
    admission = Admission.of(
        Fhir(validation="strict", validation_by_type=" Patient = off , Basic=structure,")
    )

    assert [admission.level(type) for type in ("Patient", "Basic", "Group")] == [
        "off",
        "structure",
        "strict",
    ]
    admission.check(MISSPELT, "Patient", NONE)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("Patient", "`Patient` is not `Type=level`"),
        ("Patient=hard", "`Patient=hard` is not `Type=level`"),
        ("=off", "`=off` is not `Type=level`"),
        ("Patient=off,Patient=strict", "`Patient=strict` is not `Type=level`"),
    ],
)
def test_a_level_that_makes_no_sense_is_refused_at_start(given: str, said: str) -> None:
    with pytest.raises(ValueError, match="MEDFLOW_FHIR__VALIDATION_BY_TYPE") as caught:
        load({"MEDFLOW_FHIR__VALIDATION_BY_TYPE": given})

    assert said in str(caught.value)
    assert "`profiles-declared`" in str(caught.value)


def test_a_type_that_does_not_exist_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(ValueError, match="Did you mean `Observation`"):
        Admission.of(Fhir(validation_by_type="Obsrvation=off"))


def test_faults_have_lines_at_every_level() -> None:
    body = b'{\n"resourceType": "Patient",\n"telecom": [\n{"value": "1"}]}'

    for level in ("strict", "profiles-declared"):
        with pytest.raises(Invalid) as caught:
            Admission.of(Fhir(validation=level)).check(WITHOUT_SYSTEM, "Patient", NONE, body)
        assert [issue.line for issue in caught.value.issues] == [4]
