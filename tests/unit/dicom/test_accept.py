"""What a DICOMweb client accepts. DICOM PS3.18 §8.7.5."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_node.web import accept

STORED = frozenset({"1.2.840.10008.1.2.1"})


def test_the_best_range_comes_first() -> None:
    found = accept.parse('text/html;q=0.5, multipart/related; type="application/dicom"; a="x,;y"')

    assert [one.type for one in found] == ["multipart/related", "text/html"]
    assert found[0].parameters == {"type": "application/dicom", "a": "x,;y"}


def test_no_header_accepts_anything() -> None:
    assert accept.related(accept.parse(""), STORED)


def test_quality_zero_is_a_refusal() -> None:
    assert not accept.related(accept.parse("*/*;q=0"), STORED)


@pytest.mark.parametrize(
    ("syntax", "expected"),
    [("*", True), ("1.2.840.10008.1.2.1", True), ("1.2.840.10008.1.2.4.90", False)],
)
def test_only_the_stored_syntax_can_be_had(syntax: str, expected: bool) -> None:
    wanted = accept.parse(f"multipart/related; type=application/dicom; transfer-syntax={syntax}")

    assert accept.related(wanted, STORED) is expected


def test_mixed_syntaxes_need_the_wildcard() -> None:
    wanted = accept.parse("multipart/related; transfer-syntax=1.2.840.10008.1.2.1")

    assert not accept.related(wanted, STORED | {"1.2.840.10008.1.2"})


@given(st.text(max_size=60))
def test_any_header_can_be_read(header: str) -> None:
    assert isinstance(accept.related(accept.parse(header), STORED), bool)
