"""JSON as FHIR needs it: exact, strict, and copied rather than rewritten.

https://hl7.org/fhir/R4/json.html
"""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_server import jsonio
from kernel.errors import BadStructure

NOON = 1_767_355_445_678  # 2026-01-02T12:04:05.678Z


def refusal(body: bytes) -> str:
    with pytest.raises(BadStructure) as caught:
        jsonio.decode(body)
    return str(caught.value)


def test_decimals_keep_all_their_digits() -> None:
    body = b'{"a":1.10,"b":100000000000000000000.5,"c":-0.00,"d":7}'

    tree = jsonio.decode(body)

    assert tree["a"] == Decimal("1.10")
    assert jsonio.encode(tree) == body


def test_a_byte_order_mark_is_no_content() -> None:
    assert jsonio.decode(b'\xef\xbb\xbf{"a":1}') == {"a": 1}


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "The body is not one JSON object: Input data was truncated."),
        (b"[1]", "The body is not one JSON object: Expected `object`, got `array`."),
        (b'"text"', "The body is not one JSON object: Expected `object`, got `str`."),
        (b'{"a":NaN}', "The JSON is malformed at line 1, column 6: invalid character."),
        (b'{"a":-Infinity}', "The JSON is malformed at line 1, column 7: invalid character."),
        (
            b'{"a":1,\n "b":2,\n}',
            "The JSON is malformed at line 3, column 1: trailing comma in object.",
        ),
        (b'{"\xc3\xa9": 01}', "The JSON is malformed at line 1, column 8: invalid number."),
        (b'{"a":"\xff"}', "The body is not valid UTF-8. FHIR JSON is always UTF-8."),
        (b'{"a":"\xed\xa0\x80"}', "The body is not valid UTF-8. FHIR JSON is always UTF-8."),
        (b'{"a":{"b":1,"b":2}}', "The name `b` is given twice in one object. Give it once."),
        (b'{"a":"\\u0022","a":1}', "The name `a` is given twice in one object. Give it once."),
        (
            b'{"a":1e5,"b":{"c":1,"c":1e5}}',
            "The name `c` is given twice in one object. Give it once.",
        ),
    ],
)
def test_what_is_not_strict_json_is_refused(body: bytes, sentence: str) -> None:
    assert refusal(body) == sentence


def test_there_is_one_object_and_nothing_after_it() -> None:
    assert "trailing characters" in refusal(b"{} {}")


@pytest.mark.parametrize("number", ["1e1000", "1e-1000", "1e99999999999999999999", f"0.{'1' * 80}"])
def test_a_number_that_could_not_be_kept_is_refused(number: str) -> None:
    assert "too long or too large to be kept exactly" in refusal(f'{{"a":{number}}}'.encode())


@pytest.mark.parametrize(("levels", "fits"), [(63, True), (64, False), (200_000, False)])
def test_nesting_has_a_limit_and_no_recursion_error(levels: int, fits: bool) -> None:
    body = b'{"a":' + b"[" * levels + b"]" * levels + b"}"

    if fits:
        assert jsonio.decode(body)
    else:
        assert "nested deeper than 64 levels" in refusal(body)


def test_brackets_in_strings_are_not_nesting() -> None:
    text = '["\\{' * 100

    assert jsonio.decode(json.dumps({"a": text}).encode()) == {"a": text}


def test_brackets_in_strings_do_not_hide_nesting() -> None:
    body = b'{"a":' + b'["]\\"",' * 100 + b"1" + b"]" * 100 + b"}"

    assert "nested deeper" in refusal(body)


def test_a_stamp_puts_our_facts_in_front_and_copies_the_rest() -> None:
    body = (
        b'{ "status": "final", "resourceType": "X", "value": 1.10, "x": 0.0000001, "id": "theirs" }'
    )

    stamped = jsonio.stamp(body, "Observation", "a1", 3, NOON)

    assert stamped == (
        b'{"resourceType":"Observation","id":"a1",'
        b'"meta":{"versionId":"3","lastUpdated":"2026-01-02T12:04:05.678Z"},'
        b'"status":"final","value":1.10,"x":0.0000001}'
    )


def test_a_stamp_keeps_the_callers_meta_but_not_its_version() -> None:
    body = b'{"meta":{"versionId":"9","lastUpdated":"2000-01-01T00:00:00Z","tag":[{"code":"a"}]}}'

    stamped = json.loads(jsonio.stamp(body, "Patient", "a1", 1, NOON))

    assert stamped["meta"] == {
        "tag": [{"code": "a"}],
        "versionId": "1",
        "lastUpdated": "2026-01-02T12:04:05.678Z",
    }


@pytest.mark.parametrize(
    "body", [b"[]", b"{", b'{"meta":1}', b'{"meta":[]}', b'{"meta":null}', b"\xff"]
)
def test_a_body_without_a_place_for_meta_is_refused(body: bytes) -> None:
    with pytest.raises(BadStructure):
        jsonio.stamp(body, "Patient", "a1", 1, NOON)


@pytest.mark.parametrize(
    "body",
    [
        b'{"resourceType":"Patient","id":"b","active":true}',
        b'{"active":true,"meta":{"versionId":"7"},"resourceType":"Patient"}',
        b'{\n  "resourceType": "Patient",\n  "active": true\n}',
    ],
)
def test_the_canonical_form_is_of_the_content_only(body: bytes) -> None:
    reference = jsonio.canonical(b'{"resourceType":"Patient","meta":{},"active":true}')
    stamped = jsonio.stamp(body, "Patient", "z", 5, NOON)

    assert jsonio.canonical(stamped) == reference
    assert jsonio.canonical(jsonio.stamp(stamped, "Patient", "y", 6, NOON + 1)) == reference


@pytest.mark.parametrize(
    "body",
    [
        b'{"resourceType":"Patient","active":false}',
        b'{"resourceType":"Group","active":true}',
        b'{"resourceType":"Patient","active":true,"meta":{"tag":[{"code":"a"}]}}',
    ],
)
def test_the_canonical_form_of_other_content_is_another(body: bytes) -> None:
    assert jsonio.canonical(body) != jsonio.canonical(b'{"resourceType":"Patient","active":true}')


NAMES = st.sampled_from(["a", "b", "_c", "meta", "id", "é", 'q"', "\\"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)


@settings(deadline=None)  # a busy machine is not a fault
@given(st.dictionaries(NAMES, VALUES), st.sampled_from([None, 2]), st.booleans())
def test_what_was_written_is_read(tree: dict[str, object], indent: int | None, ascii: bool) -> None:
    body = json.dumps(tree, indent=indent, ensure_ascii=ascii).encode("utf-8", "surrogatepass")

    assert jsonio.decode(body) == tree
    assert jsonio.decode(jsonio.encode(tree)) == tree


@settings(deadline=None)  # a busy machine is not a fault
@given(st.dictionaries(NAMES, VALUES), st.sampled_from([None, 2]))
def test_stamping_changes_no_content(tree: dict[str, object], indent: int | None) -> None:
    tree = {**tree, "meta": {"profile": ["http://example.org/p"]}}
    body = json.dumps(tree, indent=indent).encode()

    stamped = jsonio.stamp(body, "Patient", "a1", 1, NOON)

    tree.pop("id", None)
    tree.pop("meta")
    kept = json.loads(stamped)
    assert {name: kept[name] for name in tree} == tree
    assert jsonio.canonical(stamped) == jsonio.canonical(
        jsonio.stamp(stamped, "Patient", "b2", 2, NOON + 1)
    )
