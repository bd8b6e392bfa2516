"""https://hl7.org/fhir/R4/http.html#mime-type"""

from __future__ import annotations

import pytest

from fhir_server.http.negotiation import MIME, PLAIN, negotiate, preferences, understood
from kernel.errors import NotAcceptable, UnsupportedMediaType

CHROME = (
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8,"
    "application/signed-exchange;v=b3;q=0.7"
)
VERSIONED = b"application/fhir+json;fhirVersion=4.0;charset=utf-8"


@pytest.mark.parametrize(
    ("accept", "format", "mime"),
    [
        ("", None, MIME),
        ("*/*", None, MIME),
        ("application/*", None, MIME),
        ("application/fhir+json", None, MIME),
        ("Application/FHIR+JSON; charset=utf-8", None, MIME),
        ("application/json", None, PLAIN),
        ("application/json, text/plain, */*", None, PLAIN),
        ("application/json, application/fhir+json", None, MIME),
        ("application/json, application/fhir+json;q=0.9", None, PLAIN),
        ("application/fhir+xml, application/fhir+json;q=0.5", None, MIME),
        ("application/fhir+json;q=0, */*", None, PLAIN),
        ("application/json+fhir", None, MIME),
        ("text/html", None, MIME),
        (CHROME, None, MIME),
        ("application/fhir+json; fhirVersion=4.0", None, VERSIONED),
        ('application/fhir+json; fhirVersion="4.0"', None, VERSIONED),
        ("application/fhir+json; fhirVersion=4.0.1", None, VERSIONED),
        ("application/fhir+json; fhirVersion=3.0, application/fhir+json", None, MIME),
        ("application/fhir+xml", "json", MIME),
        ("application/fhir+xml", "application/fhir json", MIME),
        ("", "application/json", PLAIN),
        ("", "text/json", MIME),
    ],
)
def test_json_is_served_in_the_way_it_is_asked_for(
    accept: str, format: str | None, mime: bytes
) -> None:
    assert negotiate(accept, format) == mime


@pytest.mark.parametrize(
    ("accept", "format"),
    [
        ("application/fhir+xml", None),
        ("application/fhir+turtle;q=1", None),
        ("text/plain", None),
        ("*/*;q=0", None),
        ("application/fhir+json;q=0", None),
        ("application/fhir+json;q=0, application/json;q=0, */*", None),
        ("application/fhir+json;q=x", None),
        ("application/fhir+json; fhirVersion=3.0", None),
        ("application/fhir+json; fhirVersion=4.3", None),
        ("", "xml"),
        ("", ""),
        ("", "html"),
        ("application/fhir+json", "application/fhir+xml"),
        ("", "application/fhir+json;fhirVersion=5.0"),
        ("a" * 5000, None),
        ('"' * 4000, None),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(accept: str, format: str | None) -> None:
    with pytest.raises(NotAcceptable, match=r"`json`|`application/fhir\+json`|characters"):
        negotiate(accept, format)


@pytest.mark.parametrize("type", ["application/fhir+json", "a/b; charset=UTF-8; fhirVersion=4.0"])
def test_a_body_of_our_version_is_understood(type: str) -> None:
    understood(type)


@pytest.mark.parametrize(
    ("type", "text"),
    [
        ("application/fhir+json; fhirVersion=3.0", "3.0"),
        ("application/fhir+json;charset=iso-8859-1", "iso-8859-1"),
    ],
)
def test_a_body_of_another_version_or_charset_is_refused(type: str, text: str) -> None:
    with pytest.raises(UnsupportedMediaType, match=text):
        understood(type)


def test_the_first_preference_of_a_name_counts() -> None:
    assert preferences('return=representation; x="Y", RETURN=minimal,respond-async') == {
        "return": "representation",
        "x": "y",
        "respond-async": "",
    }
