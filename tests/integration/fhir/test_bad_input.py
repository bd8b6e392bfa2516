"""Bad input over HTTP: refused quickly, with an OperationOutcome that says what and where.

https://hl7.org/fhir/R4/json.html
https://hl7.org/fhir/R4/security.html#narrative
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Final

import httpx
import pytest
import pytest_asyncio

from fhir_server.engine import LONGEST
from fhir_server.service import FhirService
from fhir_server.store.store import Store
from kernel.settings import Fhir
from tests.integration.fhir.web import JSON, client_of, diagnostics, issue

PATIENCE_S: Final = 30.0
"""Generous: what is refused takes milliseconds, and the longest body a second."""


@pytest_asyncio.fixture
async def client(service: FhirService, store: Store) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(service, store) as client:
        yield client


def patient(members: bytes) -> bytes:
    return b'{"resourceType":"Patient",%s}' % members


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "The body is empty"),
        (b"null", "not one JSON object"),
        (b"[]", "not one JSON object"),
        (b"[" * 1_000_000, "not one JSON object"),
        (patient(b'"active":true') + b"x", "trailing characters"),
        (patient(b'"extension":' + b"[" * 65 + b"]" * 65), "deeper than 64 levels"),
        (patient(b'"a":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000), "deeper than 64 levels"),
        (patient(b'"multipleBirthInteger":NaN'), "invalid character"),
        (patient(b'"multipleBirthInteger":-Infinity'), "malformed"),
        (patient(b'"multipleBirthInteger":1e999999999'), "too long or too large"),
        (patient(b'"multipleBirthInteger":' + b"9" * 1_000_000), "out of range"),
        (patient(b'"multipleBirthInteger":0.' + b"1" * 1_000_000), "too long or too large"),
        (patient(b'"language":"\\ud800"'), "half of a surrogate pair, `\\ud800`, at line 1"),
        (patient(b'"language":"\\udc00x"'), "half of a surrogate pair, `\\udc00`"),
        (patient(b'"language":"\\ud800\\u0041"'), "half of a surrogate pair, `\\ud800`"),
        (patient(b'"\\ud800":1'), "half of a surrogate pair"),
        (patient(b'"language":"\xed\xa0\x80"'), "not valid UTF-8"),
        (patient(b'"language":"\xff"'), "not valid UTF-8"),
        ('{"resourceType":"Patient"}'.encode("utf-16"), "malformed"),
        (patient(b'"active":true,"active":false'), "`active` is given twice"),
        (patient(b'"active":true,"\\u0061ctive":false'), "`active` is given twice"),
        (patient(b'"__proto__":{"admin":true}'), "`__proto__` is not an element"),
        (patient(b'"constructor":{"prototype":1}'), "`constructor` is not an element"),
        (patient(b'"$where":"sleep(1000)"'), "`$where` is not an element"),
        (patient(b'"name.family":"x"'), "`name.family` is not an element"),
        (patient(b'"":1'), "`` is not an element"),
        (patient(b'"a\\u0000b":1'), "`a\\x00b` is not an element"),
        (patient(b'"' + b"x" * 1_000_000 + b'":1'), "is not an element"),
        (patient(b'"language":"a\\u0000"'), "`a\\x00` is not"),
        (patient(b'"implicitRules":"a\\u0000"'), "`a\\x00` is not"),
        (patient(b'"name":[{"text":"a\\u0000"}]'), "`a\\x00` is not"),
        (patient(b'"name":[' + b"{}," * 100_000 + b"{}]"), "The object is empty"),
        (patient(b'"name":[{"family":"' + b"x" * 1_048_577 + b'"}]'), "is not a valid string"),
    ],
)
async def test_what_is_no_fhir_json_is_refused(
    client: httpx.AsyncClient, body: bytes, said: str
) -> None:
    started = time.monotonic()

    answer = await client.post("/fhir/Patient", content=body, headers=JSON)

    assert answer.status_code == 400
    assert said in diagnostics(answer)
    assert all(ord(character) >= 32 for character in diagnostics(answer))
    assert len(answer.content) < 200_000
    assert time.monotonic() - started < PATIENCE_S


async def test_a_resource_that_cannot_be_stored_is_refused_before_it_is_read(
    client: httpx.AsyncClient,
) -> None:
    body = patient(b'"name":[' + b'{"family":"x"},' * 3_500_000 + b'{"family":"x"}]')
    assert len(body) > 50_000_000
    started = time.monotonic()

    answer = await client.post("/fhir/Patient", content=body, headers=JSON)

    assert answer.status_code == 413
    assert issue(answer)["code"] == "too-long"
    assert time.monotonic() - started < PATIENCE_S


async def test_spaces_do_not_make_a_resource_too_long(client: httpx.AsyncClient) -> None:
    body = patient(b'"active":true' + b" " * LONGEST)

    answer = await client.post("/fhir/Patient", content=body, headers=JSON)

    assert answer.status_code == 201


@pytest.mark.parametrize(
    ("div", "said"),
    [
        ("<script>alert(1)</script>", "`<script>` is not an element"),
        ('<a href=\\"javascript:x()\\">x</a>', "`href` of `<a>`"),
        ('<a href=\\"java&#10;script:x()\\">x</a>', "`href` of `<a>`"),
        ('<p onclick=\\"x()\\">x</p>', "`onclick` of `<p>`"),
        ("<iframe>x</iframe>", "`<iframe>` is not an element"),
        ("<form>x</form>", "`<form>` is not an element"),
        ("<p>x", "not well-formed"),
        ("<b>" * 1000 + "x" + "</b>" * 1000, "deeper than 200"),
        ("&nosuch;x", "not well-formed"),
        ("<!-- only a comment -->", "shows nothing"),
    ],
)
async def test_a_narrative_that_could_do_something_is_refused(
    client: httpx.AsyncClient, div: str, said: str
) -> None:
    text = f'<div xmlns=\\"http://www.w3.org/1999/xhtml\\">{div}</div>'
    body = patient(f'"text":{{"status":"generated","div":"{text}"}}'.encode())

    answer = await client.post("/fhir/Patient", content=body, headers=JSON)

    assert answer.status_code == 400
    assert said in diagnostics(answer)
    assert issue(answer)["expression"] == ["Patient.text.div"]


async def test_entities_that_grow_are_not_expanded(client: httpx.AsyncClient) -> None:
    bomb = "<!DOCTYPE d [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>]>"
    text = f"{bomb}<div xmlns='http://www.w3.org/1999/xhtml'>&b;</div>"
    body = patient(f'"text":{{"status":"generated","div":"{text}"}}'.encode())

    answer = await client.post("/fhir/Patient", content=body, headers=JSON)

    assert answer.status_code == 400
    assert "document type" in diagnostics(answer)


async def test_a_fault_has_its_line_in_the_body_that_was_sent(client: httpx.AsyncClient) -> None:
    body = b'{\n  "resourceType": "Patient",\n  "name": [\n    {"famly": "Test"}\n  ]\n}'

    answer = await client.post("/fhir/Patient", content=body, headers=JSON)

    found = issue(answer)
    url = "http://hl7.org/fhir/StructureDefinition/operationoutcome-issue"
    assert found["extension"] == [
        {"url": f"{url}-line", "valueInteger": 4},
        {"url": f"{url}-col", "valueInteger": 15},
    ]
    assert found["location"] == ["/name/0/famly", "line 4, column 15"]
    assert found["expression"] == ["Patient.name[0].famly"]


async def test_a_fault_in_a_transaction_has_its_line_in_the_bundle(
    client: httpx.AsyncClient,
) -> None:
    entry = '{"resource":\n{"resourceType":"Patient",\n"nmae":1},"request":{"method":"POST","url":"Patient"}}'
    body = f'{{"resourceType":"Bundle","type":"transaction","entry":[\n{entry}]}}'.encode()

    answer = await client.post("/fhir", content=body, headers=JSON)

    found = issue(answer)
    assert found["expression"] == ["Bundle.entry[0].resource.nmae"]
    assert found["location"] == ["/entry/0/resource/nmae", "line 4, column 8"]


async def test_a_fault_in_a_batch_is_placed_in_its_resource(client: httpx.AsyncClient) -> None:
    entry = '{"resource":\n{"resourceType":"Patient",\n"nmae":1},"request":{"method":"POST","url":"Patient"}}'
    body = f'{{"resourceType":"Bundle","type":"batch","entry":[\n{entry}]}}'.encode()

    answer = await client.post("/fhir", content=body, headers=JSON)

    found = answer.json()["entry"][0]["response"]["outcome"]["issue"][0]
    assert (found["location"], found["expression"]) == (["/nmae"], ["Patient.nmae"])
    assert "extension" not in found


async def test_what_a_patch_makes_has_no_line(client: httpx.AsyncClient) -> None:
    made = await client.post("/fhir/Patient", json={"resourceType": "Patient"}, headers=JSON)
    patch = b'[\n{"op":"add","path":"/nmae","value":1}]'

    answer = await client.patch(
        f"/fhir/Patient/{made.json()['id']}",
        content=patch,
        headers={"content-type": "application/json-patch+json"},
    )

    assert answer.status_code in {400, 422}
    assert issue(answer)["location"] == ["/nmae"]


async def test_the_server_checks_each_type_as_it_is_told(store: Store) -> None:
    settings = Fhir(validation="strict", validation_by_type="Basic=off")
    nameless = {"resourceType": "Organization", "active": True}

    async with client_of(FhirService(store, settings), store) as client:
        refused = await client.post("/fhir/Organization", json=nameless, headers=JSON)
        taken = await client.post(
            "/fhir/Basic", json={"resourceType": "Basic", "zzz": 1}, headers=JSON
        )

    assert refused.status_code == 400
    assert "(org-1)" in diagnostics(refused)
    assert taken.status_code == 201
