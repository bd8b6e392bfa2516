"""Definitions are found by canonical, the right one of several versions.

https://hl7.org/fhir/R4/references.html#canonical
"""

from __future__ import annotations

import pytest

from fhir_server.conformance import Builtin, Chain, Definition, Library

URL = "http://example.org/fhir/thing"


def made(version: str, package: str = "") -> Definition:
    return Definition("StructureDefinition", URL, version, package, dict)


LIBRARY = Library(
    [made("3.1.1", "us#3.1.1"), made("10.0.0", "us#10"), made("9.1.0", "us#9"), made("10.0.0-rc1")]
)


@pytest.mark.parametrize(
    ("canonical", "near", "version"),
    [
        (URL, "", "10.0.0"),
        (f"{URL}|3.1.1", "", "3.1.1"),
        (f"{URL}|3.1", "", "3.1.1"),
        (f"{URL}|3", "", "3.1.1"),
        (f"{URL}|3.1.1", "us#9", "3.1.1"),
        (URL, "us#9", "9.1.0"),
        (URL, "other#1", "10.0.0"),
        (f"{URL}#part", "", "10.0.0"),
    ],
)
def test_a_version_a_neighbour_or_the_newest(canonical: str, near: str, version: str) -> None:
    found = LIBRARY.find("StructureDefinition", canonical, near)

    assert found is not None
    assert found.version == version


@pytest.mark.parametrize(
    "canonical", [f"{URL}|4.0.0", f"{URL}|3.1.10", f"{URL}|1", "http://x.y/z", ""]
)
def test_what_is_not_there_is_not_found(canonical: str) -> None:
    assert LIBRARY.find("StructureDefinition", canonical) is None


def test_a_definition_of_another_kind_is_another_definition() -> None:
    assert LIBRARY.find("ValueSet", URL) is None


def test_the_first_source_wins_but_a_neighbour_comes_before_it() -> None:
    first, second = Library([made("1", "a#1")]), Library([made("2", "b#1")])
    chain = Chain(first, second)

    versions = [chain.find("StructureDefinition", URL, near) for near in ("", "b#1", "c#1")]

    assert [found.version for found in versions if found] == ["1", "2", "1"]


def test_r4_itself_is_built_in() -> None:
    canonical = "http://hl7.org/fhir/StructureDefinition/"
    builtin = Builtin()

    for name in ("Patient", "vitalsigns", "patient-birthPlace", "string"):
        found = builtin.find("StructureDefinition", canonical + name)
        assert found is not None
        assert found.version == "4.0.1"
        assert found.load()["url"] == canonical + name
    assert builtin.find("SearchParameter", canonical) is None
