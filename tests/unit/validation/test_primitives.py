"""The primitive types.

https://hl7.org/fhir/R4/datatypes.html#primitive
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fhir_server import tables
from fhir_server.validation.primitives import CHECKS, EXPECTED

VALID: dict[str, list[Any]] = {
    "base64Binary": ["aGk=", "aGVs\nbG8h"],
    "boolean": [True, False],
    "canonical": ["http://example.org/p|1.0"],
    "code": ["final", "two words"],
    "date": ["2024", "2024-02", "2024-02-29", "0001-01-01"],
    "dateTime": ["2024", "2024-02-29", "2024-02-29T23:59:60Z", "2024-01-01T00:00:00.123456+14:00"],
    "decimal": [1, Decimal("1.10"), -0.5],
    "id": ["a", "A-1.b", "x" * 64],
    "instant": ["2024-02-29T12:00:00Z", "2024-02-29T12:00:00.000-05:00"],
    "integer": [0, -(2**31), 2**31 - 1],
    "markdown": ["# Title\n\n\ttext"],
    "oid": ["urn:oid:1.2.840.10008"],
    "positiveInt": [1, 2**31 - 1],
    "string": ["text", " ", "a\tb\r\n", "no\u00a0break", "😀"],
    "time": ["00:00:00", "23:59:59.5"],
    "unsignedInt": [0],
    "uri": ["urn:uuid:x", "http://example.org/é"],
    "url": ["mailto:a@example.org"],
    "uuid": ["urn:uuid:c757873d-ec9a-4326-a141-556f43239520"],
    "xhtml": ['<div xmlns="http://www.w3.org/1999/xhtml"><p>a</p></div>'],
}
INVALID: dict[str, list[Any]] = {
    "base64Binary": ["", "aGk", "====", "a", "aGk=aGk=", "äöü="],
    "boolean": ["true", 1, 0],
    "canonical": ["", "a b"],
    "code": ["", " a", "a ", "a  b"],
    "date": [
        "",
        "24",
        "2024-13",
        "2024-00-01",
        "2023-02-29",
        "2024-04-31",
        "2024-1-1",
        "0000",
        "2024-02-29T00:00:00Z",
        "2024-01-01\n",
        "２０２４",
    ],
    "dateTime": [
        "2024-01-01T00:00:00",
        "2024-01-01T24:00:00Z",
        "2024-01-01T00:00Z",
        "2024-01-01 00:00:00Z",
        "2024-01-01T00:00:00+15:00",
        "2023-02-29T00:00:00Z",
    ],
    "decimal": ["1.0", True, Decimal("NaN"), float("inf")],
    "id": ["", "a_b", "x" * 65, "a/b"],
    "instant": ["2024-01-01", "2024-01-01T00:00:00", "2024-02-30T00:00:00Z"],
    "integer": ["1", 1.0, True, 2**31, Decimal("1.0")],
    "markdown": ["", "\x00"],
    "oid": ["1.2.3", "urn:oid:3.1", "urn:oid:1"],
    "positiveInt": [0, -1],
    "string": ["", "\x00", "\x1b", 1, "x" * 1_048_577],
    "time": ["24:00:00", "12:00", "12:00:00Z"],
    "unsignedInt": [-1],
    "uri": ["", "a b", "a\u00a0b", "a\nb"],
    "url": ["", "a b"],
    "uuid": ["urn:uuid:C757873D-EC9A-4326-A141-556F43239520", "c757873d"],
    "xhtml": ["", "text", "<p>a</p>", "<divide/>"],
}


@pytest.mark.parametrize(("type", "value"), [(t, v) for t, values in VALID.items() for v in values])
def test_a_valid_value_is_accepted(type: str, value: Any) -> None:
    assert CHECKS[type](value)


@pytest.mark.parametrize(
    ("type", "value"),
    [
        (type, value)
        for type, values in INVALID.items()
        for value in [*values, None, [], {}, ["a"], {"a": 1}]
    ],
)
def test_an_invalid_value_is_refused(type: str, value: Any) -> None:
    assert not CHECKS[type](value)


def test_every_primitive_type_of_r4_has_a_check_and_a_description() -> None:
    primitive = {
        kind
        for name in [*tables.RESOURCE_TYPES, "Extension"]
        for element in tables.get(name).elements.values()
        for kind in element.types
        if tables.get(kind).kind == "primitive"
    }

    assert primitive <= set(CHECKS)
    assert set(CHECKS) == set(EXPECTED) == set(VALID) == set(INVALID)
