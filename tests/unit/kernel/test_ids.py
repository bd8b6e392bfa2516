"""Logical ids, random and derived. https://hl7.org/fhir/R4/datatypes.html#id"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel import clock, ids


@given(st.lists(st.text(st.characters(exclude_characters="\x1f")), min_size=1, max_size=4))
def test_the_same_parts_give_the_same_valid_id(parts: list[str]) -> None:
    assert ids.derived(*parts) == ids.derived(*parts)
    assert ids.valid(ids.derived(*parts))


@pytest.mark.parametrize("part", ["\ud800", "\x00", "ä", ""])
def test_a_part_may_hold_whatever_a_message_holds(part: str) -> None:
    assert ids.valid(ids.derived("Patient", part))


def test_parts_are_joined_without_ambiguity() -> None:
    assert ids.derived("a", "bc") != ids.derived("ab", "c")


def test_a_derived_id_never_changes_between_releases() -> None:
    assert ids.derived("ImagingStudy", "1.2.3") == "14622d7d-7f52-5961-a8a1-baf2b5810e28"


def test_a_new_id_is_valid_and_new() -> None:
    assert ids.valid(ids.new())
    assert ids.new() != ids.new()


@pytest.mark.parametrize("id", ["", "a" * 65, "a b", "a/b", "ä", "a\n", "a_b"])
def test_what_is_no_id_is_refused(id: str) -> None:
    assert not ids.valid(id)


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0, "1970-01-01T00:00:00.000Z"), (1_767_323_045_678, "2026-01-02T03:04:05.678Z")],
)
def test_an_instant_has_milliseconds_and_is_in_utc(milliseconds: int, text: str) -> None:
    assert clock.instant(milliseconds) == text
