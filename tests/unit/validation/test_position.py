"""Lines and columns for JSON pointers, and the pointers themselves.

https://www.rfc-editor.org/rfc/rfc6901
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.validation import validate
from fhir_server.validation.place import Place
from fhir_server.validation.position import LONGEST, lines, placed
from kernel.errors import Invalid, Issue

BODY = b"""{
  "resourceType": "Patient",
  "name": [
    {"family": "Test"},
    {"family": "T\\u00ebst \xc3\xab", "nmae": 1}
  ],
  "a/b": {"c~d": [1, 2]}
}"""


def position(body: bytes, pointer: str) -> tuple[int, int]:
    (issue,) = placed([Issue("value", "x", pointer=pointer)], body)
    return issue.line, issue.column


@pytest.mark.parametrize(
    ("pointer", "line", "column"),
    [
        ("", 1, 1),
        ("/resourceType", 2, 19),
        ("/name", 3, 11),
        ("/name/1", 5, 5),
        ("/name/1/nmae", 5, 39),
        ("/a~1b/c~0d/1", 7, 22),
        # What is not there is placed at what it should be in.
        ("/name/1/given/0", 5, 5),
        ("/name/7", 3, 11),
        ("/name/x", 3, 11),
        ("/birthDate", 1, 1),
    ],
)
def test_a_pointer_leads_to_the_line_and_column_of_its_value(
    pointer: str, line: int, column: int
) -> None:
    assert position(BODY, pointer) == (line, column)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=12,
)


@given(tree=st.dictionaries(st.text(max_size=4), JSON), indent=st.sampled_from([None, 1, 3]))
def test_every_value_begins_where_its_pointer_leads(tree: dict[str, Any], indent: int) -> None:
    text = json.dumps(tree, indent=indent, ensure_ascii=False)
    starts = [0, *(n + 1 for n, c in enumerate(text) if c == "\n")]

    for place, value in _places(tree, Place("Root")):
        line, column = position(text.encode("utf-8", "surrogatepass"), place.pointer)

        found, _ = json.JSONDecoder().raw_decode(text, starts[line - 1] + column - 1)
        assert found == value


def _places(value: Any, place: Place) -> Iterator[tuple[Place, Any]]:
    yield place, value
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _places(item, place.member(name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _places(item, place.at(index))


def test_a_place_has_a_path_and_a_pointer() -> None:
    place = Place("Observation").member("component").at(1).member("value", "valueQuantity")

    assert place.path == "Observation.component[1].value"
    assert place.pointer == "/component/1/valueQuantity"


def test_a_refused_body_has_lines() -> None:
    with pytest.raises(Invalid) as caught:
        validate(json.loads(BODY), body=BODY)

    assert [(i.pointer, i.line, i.column) for i in caught.value.issues] == [
        ("/name/1/nmae", 5, 39),
        ("/a~1b", 7, 10),
    ]


def test_a_byte_order_mark_moves_nothing() -> None:
    assert position(b"\xef\xbb\xbf" + BODY, "/name/1") == (5, 5)


def test_a_body_that_nobody_reads_has_no_lines() -> None:
    (issue,) = placed([Issue("value", "x", pointer="/a")], b'{"a":1}' + b" " * LONGEST)

    assert issue.line == 0


def test_only_what_points_into_the_body_gets_a_line() -> None:
    issues = [Issue("value", "a", pointer="/a"), Issue("conflict", "b")]

    with pytest.raises(Invalid) as caught, lines(b'{\n"a":1}'):
        raise Invalid("a", issues=issues)

    assert [issue.line for issue in caught.value.issues] == [2, 0]
