"""https://hl7.org/fhir/R4/http.html"""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.http.request import Request
from fhir_server.interactions.etag import etag, version_of
from kernel.errors import BadValue, Invalid


def _request(path: str = "/fhir/Patient", query: bytes = b"", **headers: str) -> Request:
    async def receive() -> Any:
        raise AssertionError("the body is not read here")

    scope: dict[str, Any] = {
        "method": "GET",
        "path": path,
        "query_string": query,
        "scheme": "http",
        "server": ("10.0.0.1", 8000),
        "headers": [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()],
    }
    return Request.of(scope, receive, "/fhir")


@pytest.mark.parametrize(
    ("host", "base"),
    [
        ("example.org", "http://example.org/fhir"),
        ("example.org:8000", "http://example.org:8000/fhir"),
        ("[::1]:8000", "http://[::1]:8000/fhir"),
        ("evil/x?y", "http://10.0.0.1:8000/fhir"),
        ('"><script>', "http://10.0.0.1:8000/fhir"),
        ("", "http://10.0.0.1:8000/fhir"),
    ],
)
def test_the_base_is_what_the_caller_wrote_if_it_is_a_host(host: str, base: str) -> None:
    assert _request(host=host).base == base


def test_a_public_url_takes_precedence() -> None:
    async def receive() -> Any:
        raise AssertionError

    scope: dict[str, Any] = {"method": "GET", "path": "/fhir", "query_string": b"", "headers": []}

    assert Request.of(scope, receive, "/fhir", "https://ehr.org/").base == "https://ehr.org/fhir"


@pytest.mark.parametrize("given", ["x" * 200, "a b", "a\nb"])
def test_a_request_id_that_could_harm_a_log_is_replaced(given: str) -> None:
    assert _request(x_request_id=given).id != given


def test_a_good_request_id_is_kept() -> None:
    assert _request(x_request_id="trace-1:2").id == "trace-1:2"


def test_query_parameters_are_decoded_and_keep_their_order() -> None:
    asked = _request(query=b"name=a%20b&name=c+d&given=").query

    assert asked == [("name", "a b"), ("name", "c d"), ("given", "")]


@pytest.mark.parametrize("query", [b"name=%ff", b"&".join([b"a=b"] * 1001)])
def test_a_query_that_cannot_be_read_is_refused(query: bytes) -> None:
    with pytest.raises(Invalid):
        _request(query=query)


def test_preferences_are_found_among_others() -> None:
    request = _request(prefer='respond-async; handling="lenient", return=minimal')

    assert request.prefers("return", "minimal")
    assert request.prefers("handling", "lenient")
    assert not request.prefers("return", "representation")


@pytest.mark.parametrize(("tag", "version"), [('W/"3"', 3), ('"12"', 12), (' W/"0" ', 0)])
def test_an_entity_tag_is_a_version(tag: str, version: int) -> None:
    assert version_of(tag) == version


@pytest.mark.parametrize("tag", ["3", 'W/"x"', 'W/"-1"', "*", '"' + "9" * 10 + '"'])
def test_another_tag_is_refused(tag: str) -> None:
    with pytest.raises(BadValue, match="is not an entity tag"):
        version_of(tag)


def test_the_tag_of_a_version_is_weak() -> None:
    assert etag(7) == 'W/"7"'
