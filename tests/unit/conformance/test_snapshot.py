"""Snapshots are made of base and differential.

https://hl7.org/fhir/R4/profiling.html#snapshot
"""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.conformance import snapshot
from tests.unit.conformance.profiling import CORE, Json, faults, profile, sources


def rows(resource: Json, *others: Json) -> dict[str, Any]:
    return {row["id"]: row for row in snapshot.generate(resource, sources(*others))}


def test_without_differential_a_profile_is_its_base() -> None:
    base = sources().find("StructureDefinition", f"{CORE}Patient")
    assert base is not None

    made = rows(profile("Patient"))

    assert list(made) == [row["id"] for row in base.load()["snapshot"]["element"]]


def test_a_differential_changes_what_it_names_and_nothing_else() -> None:
    made = rows(profile("Patient", {"path": "Patient.name", "min": 1, "short": "x"}))

    assert (made["Patient.name"]["min"], made["Patient.name"]["max"]) == (1, "*")
    assert made["Patient.name"]["type"] == [{"code": "HumanName"}]
    assert made["Patient.gender"]["binding"]["strength"] == "required"


def test_what_is_inside_a_type_is_made_room_for() -> None:
    made = rows(profile("Patient", {"path": "Patient.name.period.start", "min": 1}))
    ids = list(made)

    assert made["Patient.name.period.start"]["min"] == 1
    assert ids.index("Patient.name") < ids.index("Patient.name.period")
    assert ids.index("Patient.name.period.end") < ids.index("Patient.telecom")
    assert made["Patient.name.family"]["path"] == "Patient.name.family"


def test_slices_stand_behind_their_element_in_their_order() -> None:
    made = rows(
        profile(
            "Patient",
            {"path": "Patient.identifier", "slicing": {"rules": "open"}, "min": 1},
            {"path": "Patient.identifier", "sliceName": "a"},
            {"path": "Patient.identifier.system", "min": 1},
            {"path": "Patient.identifier", "sliceName": "b", "max": "1"},
        )
    )
    ids = [id for id in made if id.startswith("Patient.identifier")]

    assert ids[:2] == ["Patient.identifier", "Patient.identifier:a"]
    assert ids.index("Patient.identifier:a.system") < ids.index("Patient.identifier:b")
    assert made["Patient.identifier:a"]["min"] == 0
    assert made["Patient.identifier:a.system"]["min"] == 1
    assert "slicing" not in made["Patient.identifier:b"]


def test_a_profile_of_a_profile_has_the_rules_of_both() -> None:
    named = profile("Patient", {"path": "Patient.name", "min": 1}, name="named")
    born = profile("Patient", {"path": "Patient.birthDate", "min": 1}, baseDefinition=named["url"])

    assert faults({"resourceType": "Patient"}, born, named) == [
        ("required", "Patient.name"),
        ("required", "Patient.birthDate"),
    ]


def test_invariants_are_added_to_those_of_the_base() -> None:
    rule = {"key": "x-1", "severity": "error", "human": "x", "expression": "true"}
    made = rows(profile("Patient", {"path": "Patient.contact", "constraint": [rule]}))

    assert [r["key"] for r in made["Patient.contact"]["constraint"]] == ["pat-1", "x-1"]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"baseDefinition": "http://x.y/none"}, "is not known here"),
        ({"differential": {"element": [{"path": "Patient.nmae"}]}}, "is not an element"),
        ({"baseDefinition": "http://example.org/fhir/profile"}, "is derived from itself"),
    ],
)
def test_what_makes_no_sense_is_refused(changes: Json, why: str) -> None:
    odd = profile("Patient", **changes)

    with pytest.raises(ValueError, match=why):
        rows(odd, odd)


def test_a_definition_that_makes_no_sense_is_told_and_does_no_harm() -> None:
    odd = profile("Patient", {"path": "Patient.nmae"})

    assert faults({"resourceType": "Patient"}, odd) == [("not-found", "Patient")]


def test_a_definition_can_be_completed() -> None:
    named = profile("Patient", {"path": "Patient.name", "min": 1})

    made = snapshot.completed(named, sources())

    assert [row["min"] for row in made["snapshot"]["element"] if row["id"] == "Patient.name"] == [1]
    assert snapshot.completed(made, sources()) == made
