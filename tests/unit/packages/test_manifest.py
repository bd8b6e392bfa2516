"""https://hl7.org/fhir/R5/packages.html"""

from __future__ import annotations

import json
from typing import Any

import pytest

from fhir_server.packages.manifest import read, split
from kernel.errors import BadStructure, Invalid


def manifest(**members: Any) -> bytes:
    return json.dumps({"name": "example.guide", "version": "1.0.0", **members}).encode()


def test_the_facts_are_read() -> None:
    found = read(
        manifest(
            title="A guide",
            canonical="http://example.org",
            license="CC0-1.0",
            fhirVersions=["4.0.1"],
            dependencies={"hl7.fhir.r4.core": "4.0.1"},
        )
    )

    assert (found.key, found.title, found.licence) == ("example.guide#1.0.0", "A guide", "CC0-1.0")
    assert found.canonical == "http://example.org"
    assert found.fhir_versions == ("4.0.1",)
    assert found.dependencies == {"hl7.fhir.r4.core": "4.0.1"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"name": "a"',
        b'{"version": "1"}',
        b'{"name": "a"}',
        b'{"name": "../a", "version": "1"}',
        b'{"name": "a b", "version": "1"}',
        b'{"name": "a", "version": "1#2"}',
        b'{"name": 1, "version": "1"}',
        b'{"name": "a", "version": "1", "dependencies": ["b"]}',
        b'{"name": "a", "version": "1", "dependencies": {"b": 1}}',
        b'{"name": "a", "version": "1", "dependencies": {"../b": "1"}}',
    ],
)
def test_what_is_no_manifest_is_refused(content: bytes) -> None:
    with pytest.raises(BadStructure, match=r"package\.json"):
        read(content)


def test_too_many_dependencies_are_refused() -> None:
    with pytest.raises(BadStructure, match="too long"):
        read(manifest(dependencies={f"p{number}": "1" for number in range(501)}))


@pytest.mark.parametrize("versions", [["5.0.0"], ["3.0.2", "4.3.0"], "1.0.2", ["4.00.1"]])
def test_a_package_for_another_fhir_is_refused(versions: Any) -> None:
    with pytest.raises(Invalid, match=r"this server speaks 4\.0\.1"):
        read(manifest(fhirVersions=versions))


@pytest.mark.parametrize("versions", [["4.0.1"], ["5.0.0", "4.0.1"], ["4.0.0"], ["4.0"], None, []])
def test_a_package_for_this_fhir_is_taken(versions: Any) -> None:
    assert read(manifest(fhirVersions=versions)).name == "example.guide"


def test_a_package_that_names_no_fhir_is_known_by_what_it_needs() -> None:
    with pytest.raises(Invalid, match=r"hl7\.fhir\.r5\.core"):
        read(manifest(dependencies={"hl7.fhir.r5.core": "5.0.0"}))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a.b#1.0.0", ("a.b", "1.0.0")),
        ("a.b@1.0.0", ("a.b", "1.0.0")),
        ("a.b", ("a.b", "")),
        ("@s/a.b", ("@s/a.b", "")),
        ("@s/a.b@1.x", ("@s/a.b", "1.x")),
    ],
)
def test_a_name_is_split(text: str, parts: tuple[str, str]) -> None:
    assert split(text) == parts


@pytest.mark.parametrize("text", ["", "#1", "a b#1", "../a#1", "a#1/2", "a#1#2"])
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="expected `name#version`"):
        split(text)
