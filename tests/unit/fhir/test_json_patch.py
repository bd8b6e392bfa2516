"""https://www.rfc-editor.org/rfc/rfc6902, with the examples of its appendix A."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server import jsonio
from fhir_server.interactions.patching import json_patch
from kernel.errors import BadStructure, BadValue, FhirError, Invalid, TooLarge, Unprocessable


def patched(document: Any, *operations: dict[str, Any]) -> Any:
    read = json_patch.read(json.dumps(operations).encode())
    return json_patch.apply(jsonio.decode(json.dumps(document).encode()), read)


def op(name: str, path: str, **members: Any) -> dict[str, Any]:
    return {"op": name, "path": path, **members}


@pytest.mark.parametrize(
    ("document", "operation", "result"),
    [
        ({"a": 1}, op("add", "/b", value=2), {"a": 1, "b": 2}),
        ({"a": [1, 3]}, op("add", "/a/1", value=2), {"a": [1, 2, 3]}),
        ({"a": [1]}, op("add", "/a/-", value=[2]), {"a": [1, [2]]}),
        ({"a": [1]}, op("add", "/a/1", value=2), {"a": [1, 2]}),
        ({"a": 1}, op("add", "/a", value=2), {"a": 2}),
        ({"a": 1}, op("add", "", value={"b": 2}), {"b": 2}),
        ({"a": 1, "b": 2}, op("remove", "/b"), {"a": 1}),
        ({"a": [1, 2, 3]}, op("remove", "/a/1"), {"a": [1, 3]}),
        ({"a": 1}, op("replace", "/a", value={"b": None}), {"a": {"b": None}}),
        ({"a": [1, 2]}, op("replace", "/a/1", value=3), {"a": [1, 3]}),
        (
            {"a": {"b": 1}, "c": {}},
            op("move", "/c/d", **{"from": "/a/b"}),
            {"a": {}, "c": {"d": 1}},
        ),
        ({"a": [1, 2, 3, 4]}, op("move", "/a/3", **{"from": "/a/1"}), {"a": [1, 3, 4, 2]}),
        ({"a": 1}, op("move", "/a", **{"from": "/a"}), {"a": 1}),
        ({"a": {"b": 1}}, op("copy", "/c", **{"from": "/a"}), {"a": {"b": 1}, "c": {"b": 1}}),
        ({"a/b": 1, "m~n": 2}, op("replace", "/a~1b", value=3), {"a/b": 3, "m~n": 2}),
        ({"a/b": 1, "m~n": 2}, op("replace", "/m~0n", value=3), {"a/b": 1, "m~n": 3}),
        ({"~1": 1}, op("test", "/~01", value=1), {"~1": 1}),
        ({"": 1}, op("replace", "/", value=2), {"": 2}),
        ({"a": {"x": [1, 2], "y": 1}}, op("test", "/a", value={"y": 1.0, "x": [1, 2]}), None),
        ({"a": "1"}, op("add", "/b", value=1, unknown=True), {"a": "1", "b": 1}),
    ],
)
def test_an_operation_does_what_the_standard_says(
    document: Any, operation: dict[str, Any], result: Any
) -> None:
    assert patched(document, operation) == (document if result is None else result)


@pytest.mark.parametrize(
    ("document", "operation", "text"),
    [
        ({"a": 1}, op("test", "/a", value=2), "Operation 1 (`test` at `/a`): the value there"),
        ({"a": True}, op("test", "/a", value=1), "the value there is another"),
        ({"a": "1"}, op("test", "/a", value=1), "the value there is another"),
        ({"a": [1, 2]}, op("test", "/a", value=[2, 1]), "the value there is another"),
        ({}, op("test", "/a", value=None), "there is nothing at `/a`"),
        ({}, op("remove", "/a"), "there is nothing at `/a`"),
        ({}, op("replace", "/a", value=1), "there is nothing to replace"),
        ({}, op("add", "/a/b", value=1), "there is nothing at `/a`"),
        ({"a": 1}, op("add", "/a/b", value=1), "`/a` is neither an object nor an array"),
        ({"a": [1]}, op("add", "/a/2", value=1), "the array has 1 items"),
        ({"a": [1]}, op("remove", "/a/1"), "the array has 1 items"),
        ({"a": [1]}, op("remove", "/a/-"), "`-` is the place after"),
        ({"a": [1]}, op("replace", "/a/01", value=1), "`01` is not the index"),
        ({"a": [1]}, op("replace", "/a/x", value=1), "`x` is not the index"),
        ({"a": [1]}, op("replace", "/a/\u0663", value=1), "is not the index"),
        ({"a": 1}, op("copy", "/b", **{"from": "/c"}), "there is nothing at `/c`"),
        ({"a": 1}, op("move", "/b", **{"from": "/c/d"}), "there is nothing at `/c`"),
        ({"a": 1}, op("remove", ""), "cannot be removed by a patch"),
        ({"a": 1}, op("replace", "", value=[]), "leaves no resource"),
    ],
)
def test_an_operation_that_does_not_fit_is_refused(
    document: Any, operation: dict[str, Any], text: str
) -> None:
    with pytest.raises(Unprocessable) as refused:
        patched(document, operation)

    assert text in str(refused.value)


def test_a_patch_without_operations_changes_nothing() -> None:
    assert json_patch.apply({"a": 1}, json_patch.read(b" [ ] ")) == {"a": 1}


def test_the_operation_that_fails_is_named_by_its_number() -> None:
    with pytest.raises(Unprocessable, match=r"Operation 2 \(`test` at `/b/0`\)"):
        patched({}, op("add", "/b", value=[1]), op("test", "/b/0", value=2))


@pytest.mark.parametrize(
    ("body", "error", "text"),
    [
        (b"", BadStructure, "malformed"),
        (b"{}", BadStructure, "is an array of operations"),
        (b"[],1", BadStructure, "malformed"),
        (b'[],"x":[]', BadStructure, "is an array of operations"),
        (b'[],"patch":[]', BadStructure, "given twice"),
        (b"[1]", BadStructure, "Operation 1 is not a JSON object"),
        (b'[{"path":"/a"}]', BadValue, "`op` is `None`"),
        (b'[{"op":"Add","path":"/a","value":1}]', BadValue, "`op` is `Add`"),
        (b'[{"op":["add"],"path":"/a","value":1}]', BadValue, "are possible"),
        (b'[{"op":"add","path":"/a"}]', BadValue, "needs the member `value`"),
        (b'[{"op":"add","value":1}]', BadValue, "needs the member `path`"),
        (b'[{"op":"move","path":"/a"}]', BadValue, "needs the member `from`"),
        (b'[{"op":"remove","path":"a"}]', BadValue, "`a` is not a JSON Pointer"),
        (b'[{"op":"remove","path":"/~2"}]', BadValue, "`/~2` is not a JSON Pointer"),
        (b'[{"op":"remove","path":7}]', BadValue, "`7` is not a JSON Pointer"),
        (b'[{"op":"move","path":"/a/b","from":"/a"}]', Invalid, "cannot be moved into itself"),
        (b'[{"op":"remove","path":"' + b"/a" * 65 + b'"}]', BadValue, "65 steps"),
        (b"[" + b",".join([b'{"op":"remove","path":"/a"}'] * 1001) + b"]", TooLarge, "1001"),
        (b"[" * 9000, BadStructure, "nested deeper"),
    ],
)
def test_a_malformed_patch_is_told_why(body: bytes, error: type[FhirError], text: str) -> None:
    with pytest.raises(error) as refused:
        json_patch.read(body)

    assert text in str(refused.value)


def test_numbers_stay_exact() -> None:
    operations = json_patch.read(b'[{"op":"add","path":"/b","value":1.10}]')

    result = json_patch.apply(jsonio.decode(b'{"a":0.10000000000000000000001}'), operations)

    assert jsonio.encode(result) == b'{"a":0.10000000000000000000001,"b":1.10}'


def test_a_copy_is_no_alias() -> None:
    result = patched(
        {"a": {"x": 1}},
        op("copy", "/b", **{"from": "/a"}),
        op("replace", "/b/x", value=2),
    )

    assert result == {"a": {"x": 1}, "b": {"x": 2}}


def test_a_patch_can_be_applied_again() -> None:
    operations = json_patch.read(
        json.dumps([op("add", "/a", value=[]), op("add", "/a/-", value=1)]).encode()
    )

    results = [json_patch.apply({}, operations) for _ in range(2)]

    assert results == [{"a": [1]}, {"a": [1]}]


def test_copies_of_copies_do_not_fill_the_memory() -> None:
    doubling = [op("copy", "/a/-", **{"from": "/a"}) for _ in range(60)]

    with pytest.raises((TooLarge, BadStructure)):
        patched({"a": ["x" * 1000]}, *doubling)


def test_values_are_compared_as_json_values() -> None:
    assert json_patch.equal(1, Decimal("1.00"))
    assert json_patch.equal({"a": [True, None]}, {"a": [True, None]})
    assert not json_patch.equal({"a": None}, {})
    assert not json_patch.equal(1, True)
    assert not json_patch.equal(None, False)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=3), JSON), st.text(max_size=4), JSON)
def test_what_is_added_is_there_and_can_be_removed(
    document: dict[str, Any], name: str, value: Any
) -> None:
    path = f"/{name.replace('~', '~0').replace('/', '~1')}"

    added = patched(document, op("add", path, value=value), op("test", path, value=value))
    removed = patched(added, op("remove", path))

    assert added == document | {name: value}
    assert removed == {key: item for key, item in document.items() if key != name}
