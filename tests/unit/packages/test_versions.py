"""https://hl7.org/fhir/R5/packages.html, https://semver.org"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.packages.versions import newest, rank, satisfies

VERSIONS = st.from_regex(r"\d{1,4}(\.\d{1,4}){0,3}(-[a-z]{1,5}\d?(\.\d)?)?", fullmatch=True)


def test_versions_are_in_order() -> None:
    listed = ["0.9.0", "1.0.0-ballot", "1.0.0-cibuild", "1.0.0", "1.9.0", "1.10.0", "2022.4.1"]

    assert sorted(set(listed), key=rank) == listed


@pytest.mark.parametrize(
    ("version", "wanted"),
    [
        ("6.1.0", "6.1.0"),
        ("6.1.4", "6.1.x"),
        ("6.1.4", "6.x"),
        ("6.1.4", "latest"),
        ("6.1.4", ""),
        ("5.1.0-cibuild", "5.1.0-cibuild"),
    ],
)
def test_a_version_is_what_was_asked_for(version: str, wanted: str) -> None:
    assert satisfies(version, wanted)


@pytest.mark.parametrize(
    ("version", "wanted"),
    [
        ("6.1.0", "6.1.1"),
        ("6.10.0", "6.1.x"),
        ("6.1.0-ballot", "6.1.x"),
        ("6.1.0", "6.1"),
        ("6.1.0", "7.x"),
    ],
)
def test_another_version_is_not(version: str, wanted: str) -> None:
    assert not satisfies(version, wanted)


def test_the_newest_is_a_release_if_there_is_one() -> None:
    assert newest(["1.0.0", "2.0.0-ballot", "1.9.0", "1.10.0"]) == "1.10.0"
    assert newest(["2.0.0-ballot", "1.0.0-ballot"]) == "2.0.0-ballot"
    assert newest([]) == ""


@given(st.lists(VERSIONS, min_size=1))
def test_whatever_is_newest_is_one_of_them_and_none_is_after_it(versions: list[str]) -> None:
    found = newest(versions)
    released = [version for version in versions if "-" not in version]

    assert found in versions
    assert all(rank(version) <= rank(found) for version in released or versions)
