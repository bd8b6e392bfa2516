"""https://hl7.org/fhir/smart-app-launch/STU2/scopes-and-launch-context.html"""

from __future__ import annotations

import pytest

from fhir_server.model import Principal
from fhir_server.search.tokens import compartment_token
from fhir_server.smart.scopes import Scope, access, parse
from kernel.errors import Forbidden


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        ("system/*.cruds", Scope("system", "*", "cruds")),
        ("patient/Observation.rs", Scope("patient", "Observation", "rs")),
        ("user/Patient.read", Scope("user", "Patient", "rs")),
        ("user/Patient.write", Scope("user", "Patient", "cud")),
        ("system/Patient.*", Scope("system", "Patient", "cruds")),
        ("system/Patient.c", Scope("system", "Patient", "c")),
    ],
)
def test_scopes_of_both_versions_are_read(text: str, scope: Scope) -> None:
    assert parse(text) == scope


@pytest.mark.parametrize(
    "text",
    [
        "openid",
        "launch/patient",
        "system/Patient.",
        "system/Patient.sr",  # the order is fixed
        "system/Patient.cc",
        "system/patient.rs",
        "system/Patient.rs?gender=male",  # a restriction that is not understood grants nothing
        "admin/*.cruds",
        "system/*.cruds extra",
        "",
    ],
)
def test_anything_else_grants_nothing(text: str) -> None:
    assert parse(text) is None


def test_a_system_scope_reaches_everything_of_its_type() -> None:
    principal = Principal("app", ("system/Patient.r",))

    assert access(principal, "Patient", "r").everything
    with pytest.raises(Forbidden, match="to search `Patient`"):
        access(principal, "Patient", "s")
    with pytest.raises(Forbidden):
        access(principal, "Encounter", "r")


def test_a_patient_scope_reaches_the_compartment_only() -> None:
    reached = access(Principal("app", ("patient/*.rs",), "7"), "Observation", "r")

    assert not reached.everything
    assert reached.admits([1, compartment_token("Patient/7")])
    assert not reached.admits([1, compartment_token("Patient/8")])
    assert not reached.admits([])


@pytest.mark.parametrize("scope", ["patient/*.cruds", "user/*.cruds"])
def test_a_scope_with_nobody_bound_fails_closed(scope: str) -> None:
    with pytest.raises(Forbidden):
        access(Principal("app", (scope,)), "Patient", "r")
