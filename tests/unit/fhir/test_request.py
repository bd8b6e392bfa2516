"""https://hl7.org/fhir/R4/http.html"""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.http.request import Request, segments
from fhir_server.interactions.etag import etag, version_of
from kernel.errors import BadValue, Invalid


async def _unread() -> Any:
    raise AssertionError("the body is not read here")


def _request(path: str = "/fhir/Patient", query: bytes = b"", **headers: str) -> Request:
    scope: dict[str, Any] = {
        "method": "GET",
        "path": path,
        "query_string": query,
        "scheme": "http",
        "server": ("10.0.0.1", 8000),
        "headers": [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()],
    }
    return Request.of(scope, _unread, "/fhir")


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
    scope: dict[str, Any] = {"method": "GET", "path": "/fhir", "query_string": b"", "headers": []}

    assert Request.of(scope, _unread, "/fhir", "https://ehr.org/").base == "https://ehr.org/fhir"


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
    request = _request(query=query)

    with pytest.raises(Invalid):
        assert request.query


def test_preferences_are_found_among_others() -> None:
    request = _request(prefer='respond-async; handling="lenient", return=Minimal, return=x')

    assert request.prefers("return") == "minimal"
    assert request.prefers("handling") == "lenient"
    assert request.prefers("respond-async") == ""
    assert request.prefers("wait") is None


def test_a_header_that_is_there_twice_is_one_list() -> None:
    scope: dict[str, Any] = {
        "method": "GET",
        "path": "/fhir",
        "query_string": b"",
        "headers": [(b"prefer", b"return=minimal"), (b"prefer", b"respond-async")],
    }

    request = Request.of(scope, _unread, "/fhir")

    assert request.prefers("return") == "minimal"
    assert request.prefers("respond-async") == ""


@pytest.mark.parametrize(
    ("raw", "path", "parts"),
    [
        (b"/fhir", "", []),
        (b"/fhir/", "", []),
        (b"/fhir/Patient/", "Patient", ["Patient"]),
        (b"/fhir/Patient/a%2Fb", "Patient/a%2Fb", ["Patient", "a/b"]),
        (b"/fhir/Patient/a%252Fb", "Patient/a%252Fb", ["Patient", "a%2Fb"]),
        (b"/fhir/Patient//a", "Patient//a", ["Patient", "", "a"]),
        (b"/%66hir/Patient", "Patient", ["Patient"]),
    ],
)
def test_a_path_is_decoded_once_and_part_by_part(raw: bytes, path: str, parts: list[str]) -> None:
    decoded = "/fhir/Patient" if raw.startswith(b"/%66") else "unused"
    scope: dict[str, Any] = {"path": decoded, "raw_path": raw, "method": "GET"}
    scope |= {"query_string": b"", "headers": []}

    request = Request.of(scope, _unread, "/fhir")

    assert request.path == path
    assert segments(request.path) == parts


@pytest.mark.parametrize(("tag", "version"), [('W/"3"', 3), ('"12"', 12), (' W/"0" ', 0)])
def test_an_entity_tag_is_a_version(tag: str, version: int) -> None:
    assert version_of(tag) == version


@pytest.mark.parametrize("tag", ["3", 'W/"x"', 'W/"-1"', "*", '"' + "9" * 10 + '"'])
def test_another_tag_is_refused(tag: str) -> None:
    with pytest.raises(BadValue, match="is not an entity tag"):
        version_of(tag)


def test_the_tag_of_a_version_is_weak() -> None:
    assert etag(7) == 'W/"7"'
