"""https://hl7.org/fhir/R4/http.html#trules"""

from __future__ import annotations

import pytest

from fhir_server.interactions.references import Targets, conditional

URN = "urn:uuid:00000000-0000-4000-8000-000000000001"
TARGETS = Targets(
    {
        URN: "Patient/1",
        "http://h/Patient/x": "Patient/2",
        "Patient?identifier=a|b": "Patient/3",
        'Patient?name=a"b': "Patient/4",
    }
)


@pytest.mark.parametrize(
    ("body", "rewritten"),
    [
        (f'{{"reference":"{URN}"}}', '{"reference":"Patient/1"}'),
        (f'{{"reference" : "{URN}"}}', '{"reference" : "Patient/1"}'),
        (f'{{"url":"{URN}"}}', '{"url":"Patient/1"}'),
        (f'["{URN}"]', '["Patient/1"]'),
        ('{"reference":"http://h/Patient/x"}', '{"reference":"Patient/2"}'),
        ('{"reference":"Patient?identifier=a|b"}', '{"reference":"Patient/3"}'),
        ('{"reference":"Patient?name=a\\"b"}', '{"reference":"Patient/4"}'),
    ],
)
def test_placeholders_are_replaced(body: str, rewritten: str) -> None:
    assert TARGETS.rewrite(body.encode()) == rewritten.encode()


@pytest.mark.parametrize(
    "body",
    [
        f'{{"value":"{URN}"}}',  # an Identifier's value is no reference
        f'{{"value" :\n "{URN}"}}',
        f'{{"div":"<a href=\\"{URN}\\">x</a>"}}',
        '{"reference":"urn:uuid:00000000-0000-4000-8000-000000000009"}',
        f'{{"reference":"{URN}#part"}}',
        '{"display":"Patient?identifier=a|b"}',
        '{"reference":"Patient/9"}',
    ],
)
def test_everything_else_stays_as_it_is(body: str) -> None:
    assert TARGETS.rewrite(body.encode()) == body.encode()


def test_each_conditional_reference_is_found_once() -> None:
    bodies = [
        b'{"reference":"Patient?identifier=a|b"},{"reference":"Patient/1"}',
        b'{"reference" : "Patient?identifier=a|b"},{"reference":"Organization?name=x"}',
    ]

    assert conditional(bodies) == ["Patient?identifier=a|b", "Organization?name=x"]
