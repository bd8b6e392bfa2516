"""https://hl7.org/fhir/R4/search.html#content"""

from __future__ import annotations

import msgspec
import pytest

from fhir_server.interactions.content import holds
from fhir_server.search.nodes import Text
from fhir_server.search.words import read

DIV = (
    '<div xmlns="http://www.w3.org/1999/xhtml"><p>Bone</p><p>liver &amp; lung'
    ' <b>meta</b>stases<br/>none of H<sub class="x">2</sub>O</p></div>'
)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("metastases", True),
        ("h2o", True),
        ("bone", True),
        ("liver", True),
        ("boneliver", False),
        ('"liver lung"', True),
        ("metastasesnone", False),
        ("xhtml", False),
    ],
)
def test_tags_part_words_only_where_a_reader_sees_them_parted(words: str, expected: bool) -> None:
    body = msgspec.json.encode({"resourceType": "Patient", "text": {"div": DIV}})

    assert holds(body, Text(read(words), narrative=True)) is expected
