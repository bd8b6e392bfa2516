"""The compiled tables of R4, and where they come from.

https://hl7.org/fhir/R4/elementdefinition.html
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fhir_server import tables
from tools import compile_r4, manifest

ENTRIES = json.loads((manifest.PROFILES / "manifest.json").read_bytes())


@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_a_data_file_is_the_one_that_the_manifest_describes(name: str) -> None:
    entry = ENTRIES[name]

    assert manifest.digest(manifest.PROFILES / name) == entry["sha256"]
    assert entry["licence"] in {"CC0-1.0", "Apache-2.0", "UCUM-1.0"}
    assert (manifest.PROFILES.parent / entry["made_by"]).exists()


def test_every_data_file_is_in_the_manifest() -> None:
    files = {
        file.relative_to(manifest.PROFILES).as_posix()
        for file in (manifest.PROFILES / "r4").glob("*.json*")
    }

    assert files <= set(ENTRIES)


@pytest.mark.shared
def test_the_script_makes_the_same_files_again(tmp_path: Path) -> None:
    package = manifest.PROFILES.parents[1] / compile_r4.BESIDE
    if not package.exists():
        pytest.skip("needs the shared definitions beside the checkout")

    compile_r4.main(package, tmp_path)

    for name in ("elements.json", "bindings.json"):
        assert (tmp_path / name).read_bytes() == (compile_r4.OUTPUT / name).read_bytes()


def test_there_are_146_resource_types_and_the_abstract_ones_are_none() -> None:
    assert len(tables.RESOURCE_TYPES) == 146
    assert {"Patient", "Observation", "Bundle", "Parameters"} <= tables.RESOURCE_TYPES
    assert not {"Resource", "DomainResource", "HumanName"} & tables.RESOURCE_TYPES


def test_an_element_has_its_cardinality_binding_and_targets() -> None:
    elements = tables.get("Observation").elements

    assert elements["status"].min == 1
    assert elements["status"].value_set == "http://hl7.org/fhir/ValueSet/observation-status"
    assert elements["performer"].max is None
    assert elements["subject"].targets == ("Device", "Group", "Location", "Patient")
    assert elements["focus"].targets == ()


def test_a_content_reference_is_the_type_that_it_refers_to() -> None:
    elements = tables.get("Observation.component").elements

    assert elements["referenceRange"].types == ("Observation.referenceRange",)


def test_every_type_that_an_element_has_is_in_the_tables() -> None:
    for name in tables.RESOURCE_TYPES:
        for element in tables.get(name).elements.values():
            assert all(tables.exists(kind) for kind in element.types)


def test_a_value_set_has_its_codes_by_system() -> None:
    gender = tables.value_set("http://hl7.org/fhir/ValueSet/administrative-gender")

    assert gender is not None
    assert list(gender.codes) == ["male", "female", "other", "unknown"]
    assert set(gender.systems) == {"http://hl7.org/fhir/administrative-gender"}


def test_units_cannot_be_enumerated() -> None:
    assert tables.value_set("http://hl7.org/fhir/ValueSet/ucum-units") is None
