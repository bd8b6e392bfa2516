"""https://hl7.org/fhir/R5/packages.html"""

from __future__ import annotations

import pytest

from fhir_server.packages import ours
from fhir_server.packages.catalogue import Catalogue, Shelf
from fhir_server.packages.package import counts, read
from kernel.errors import BadStructure, TooLarge
from tests.tgz import CANONICAL, manifest, package, package_file, packed, profile

URL = f"{CANONICAL}/StructureDefinition/patient"
CODES = {"resourceType": "CodeSystem", "url": "urn:c", "status": "active", "content": "complete"}


def catalogue(*packages: bytes) -> Catalogue:
    listed = [read(one) for one in packages]
    return Catalogue.of([Shelf(one.manifest, one.items) for one in listed])


def test_the_definitions_of_the_folder_package_are_kept() -> None:
    found = read(
        packed(
            {
                "package/.index.json": {"files": []},
                "package/a.json": profile(),
                "package/b.json": CODES,
                "package/c.json": {"resourceType": "Patient"},
                "package/notes.txt": b"no JSON",
                "package/example/d.json": profile("example"),
                "package/package.json": manifest(),
                "other/e.json": profile("other"),
                "package/other/f.json": b"no JSON either",
            }
        )
    )

    assert found.key == "example.guide#1.0.0"
    assert counts(found.items) == {"CodeSystem": 1, "StructureDefinition": 1}
    assert found.left_out == {}


def test_a_definition_comes_back_as_it_was_written() -> None:
    [item] = package(profile(version="3.0")).items

    assert (item.canonical, item.profile_of, item.name) == (f"{URL}|3.0", "Patient", "Patient")
    assert item.load() == profile(version="3.0")


def test_a_definition_without_a_version_has_that_of_its_package() -> None:
    assert package(version="2.5.0").items[0].canonical == f"{URL}|2.5.0"


def test_one_of_two_definitions_with_one_canonical_is_kept() -> None:
    assert len(package(profile(), profile(), profile(version="9")).items) == 2


def test_a_definition_that_is_not_r4_is_left_out_and_named() -> None:
    found = package(profile(), profile("b", kind="person"), profile("c", url="no url"))

    assert [item.id for item in found.items] == ["patient"]
    assert "`person` is not in the value set" in found.left_out["StructureDefinition-1.json"]
    assert set(found.left_out) == {"StructureDefinition-1.json", "StructureDefinition-2.json"}


def test_a_definition_of_something_that_is_only_kept_need_not_be_valid() -> None:
    guide = {"resourceType": "ImplementationGuide", "url": "urn:g", "new": True}

    assert [item.url for item in package(guide).items] == ["urn:g"]


@pytest.mark.parametrize(
    "content", [b"{", b"", b"[]", b'"x"', b"\xff", b'{"a": 1, "a": 2}', b"[" * 9999]
)
def test_a_broken_file_refuses_the_package_and_is_named(content: bytes) -> None:
    raw = packed({"package/package.json": manifest(), "package/broken.json": content})

    with pytest.raises(BadStructure, match=r"`package/broken\.json`"):
        read(raw)


def test_what_has_no_manifest_is_no_package() -> None:
    with pytest.raises(BadStructure, match="no FHIR package"):
        read(packed({"package/a.json": profile()}))


def test_a_definition_too_long_for_the_database_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fhir_server.packages.item.LONGEST", 100)

    assert "longer than" in package().left_out["StructureDefinition-0.json"]


def test_a_file_beyond_the_limit_refuses_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fhir_server.packages.archive.LONGEST_FILE", 200)

    with pytest.raises(TooLarge, match="StructureDefinition-0"):
        package()


def test_the_digest_is_that_of_the_content() -> None:
    one, same, other = package(), package(), package(profile(name="Other"))

    assert one.digest == same.digest
    assert one.digest != other.digest


def test_a_canonical_means_the_newest_or_the_version_that_it_names() -> None:
    known = catalogue(
        package_file(version="9.0.0"), package_file(version="10.0.0-ballot"), package_file()
    )

    def version(canonical: str, near: str = "") -> str:
        found = known.find("StructureDefinition", canonical, near)
        return found.version if found is not None else ""

    assert version(f"{URL}|1.0.0") == "1.0.0"
    assert version(f"{URL}|9") == "9.0.0"
    assert version(f"{URL}|2.0.0") == ""
    assert version(URL, "example.guide#1.0.0") == "1.0.0"
    assert version("urn:nothing") == ""
    assert known.find("ValueSet", URL) is None
    assert known.get("StructureDefinition", f"{URL}|1.0.0") == profile()


def test_profiles_are_listed_by_the_type_that_they_constrain() -> None:
    known = catalogue(
        package_file(
            profile(),
            profile("vitals", "Observation"),
            profile("quantity", "Quantity", kind="complex-type"),
            profile("abstract", abstract=True),
        )
    )

    assert known.profiles("Patient") == (URL,)
    assert known.profiles("Observation") == (f"{CANONICAL}/StructureDefinition/vitals",)
    assert known.profiles("Quantity") == ()


def test_two_versions_of_a_profile_are_listed_with_their_versions_too() -> None:
    known = catalogue(package_file(), package_file(version="2.0.0"))

    assert known.profiles("Patient") == (URL, f"{URL}|1.0.0", f"{URL}|2.0.0")


def test_the_order_of_packages_does_not_matter() -> None:
    one, other = package_file(name="a"), package_file(profile(name="B"), name="b")

    first, second = catalogue(one, other), catalogue(other, one)

    assert first.get("StructureDefinition", URL) == second.get("StructureDefinition", URL)


def test_what_comes_with_the_server_is_whole() -> None:
    shelf = ours.shelf()

    assert shelf.manifest.name == "medflow.ingest"
    assert {item.type for item in shelf.items} == {"StructureDefinition"}
