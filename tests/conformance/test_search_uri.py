"""URIs, row by row. https://hl7.org/fhir/R4/search.html#uri"""

from __future__ import annotations

import pytest

from tests.conformance.searching import Resource, Row, agrees, patient, rows
from tests.unit.search.conftest import Search


def at(url: str) -> Resource:
    return {"resourceType": "ValueSet", "status": "draft", "url": url}


URL = "http://acme.org/fhir/ValueSet/123"
ROWS: list[Row] = [
    *rows("url", at(URL), finds=[URL, f"http://x,{URL}"],
          misses=["http://acme.org/fhir/ValueSet/12", "http://acme.org/fhir/ValueSet/1234", f"{URL}/", URL.upper(), "123", "http://acme.org"]),
    *rows("url", at("urn:oid:1.2.3.4.5"), finds=["urn:oid:1.2.3.4.5"], misses=["1.2.3.4.5", "urn:oid:1.2.3.4"]),
    *rows("url", at("http://acme.org/a,b$c"), finds=["http://acme.org/a\\,b\\$c"], misses=["http://acme.org/a"]),
    *rows("url", at("http://acme.org/ä?q=1#f"), finds=["http://acme.org/ä?q=1#f"], misses=["http://acme.org/a?q=1#f"]),
    *rows("_profile", patient(meta={"profile": ["http://acme.org/p|1.0"]}),
          finds=["http://acme.org/p", "http://acme.org/p\\|1.0"], misses=["http://acme.org/p\\|2.0", "http://acme.org"]),
    *rows("_source", patient(meta={"source": "urn:a:b"}), finds=["urn:a:b"], misses=["urn:a"]),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_uri_is_found_as_the_specification_says(found: Search, row: Row) -> None:
    assert agrees(row, found)
