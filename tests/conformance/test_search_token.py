"""Tokens, row by row. https://hl7.org/fhir/R4/search.html#token"""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.searching import (
    LOINC,
    Resource,
    Row,
    agrees,
    concept,
    observation,
    patient,
    rows,
)
from tests.unit.search.conftest import Search

GENDER = "http://hl7.org/fhir/administrative-gender"
ACME = "http://acme.org/patient"


def identified(*identifiers: Resource) -> Resource:
    return patient(identifier=list(identifiers))


def reachable(system: str, value: str, **more: Any) -> Resource:
    return patient(telecom=[{"system": system, "value": value} | more])


BOTH = concept(LOINC, "8480-6")
BOTH["coding"].append({"system": "http://snomed.info/sct", "code": "271649006"})

ROWS: list[Row] = [
    # The four forms.
    *rows("identifier", identified({"system": ACME, "value": "2345"}),
          finds=["2345", f"{ACME}|2345", f"{ACME}|", "1,2345", f"{ACME}|1,{ACME}|2345"],
          misses=["|2345", f"{ACME}|234", "234", "23456", "http://acme.org|2345", "http://acme.org/|", f"{ACME}|2345 "]),
    *rows("identifier", identified({"value": "2345"}), finds=["2345", "|2345"], misses=[f"{ACME}|2345", f"{ACME}|"]),
    *rows("identifier", identified({"system": ACME}), finds=[f"{ACME}|"], misses=["2345"]),
    *rows("identifier", identified({"system": ACME, "value": "1"}, {"system": "http://b", "value": "2"}),
          finds=["1", "2", f"{ACME}|1", "http://b|2"], misses=[f"{ACME}|2", "http://b|1"]),
    *rows("identifier", identified({"system": ACME, "value": "Ab1"}), finds=["Ab1"], misses=["ab1", "AB1", f"{ACME.upper()}|Ab1"]),
    *rows("identifier", identified({"system": "urn:oid:1.2", "value": "a|b,c$d\\"}),
          finds=["a\\|b\\,c\\$d\\\\", "urn:oid:1.2|a\\|b\\,c\\$d\\\\"], misses=["a", "b\\,c\\$d\\\\"]),
    # A coded element with several codings.
    *rows("code", observation(code=BOTH),
          finds=["8480-6", f"{LOINC}|8480-6", "271649006", "http://snomed.info/sct|", f"{LOINC}|"],
          misses=["|8480-6", f"{LOINC}|271649006", "8480", "http://snomed.info|271649006"]),
    *rows("code", observation(code=concept(None, "local")), finds=["local", "|local"], misses=[f"{LOINC}|local", "LOCAL"]),
    *rows("code", observation(code={"text": "8480-6"}), misses=["8480-6", "|8480-6"]),
    *rows("combo-code", observation(component=[{"code": BOTH}]), finds=["8480-6", f"{LOINC}|8480-6"], misses=["|8480-6"]),
    *rows("_tag", patient(meta={"tag": [{"system": "http://t", "code": "vip"}]}), finds=["vip", "http://t|vip", "http://t|"], misses=["VIP", "|vip"]),
    *rows("_security", patient(meta={"security": [{"system": "http://s", "code": "R"}]}), finds=["R"], misses=["V"]),
    # A code has the system that its binding implies.
    *rows("gender", patient(gender="male"), finds=["male", f"{GENDER}|male", "|male", "female,male"],
          misses=["Male", "female", "http://other|male", f"{GENDER}|female"]),
    *rows("status", observation(), finds=["final", "http://hl7.org/fhir/observation-status|final"], misses=["preliminary", "http://x|final"]),
    # Booleans, and contact points by their value.
    *rows("active", patient(active=True), finds=["true"], misses=["false"]),
    *rows("active", patient(active=False), finds=["false"], misses=["true"]),
    *rows("active", patient(), misses=["true", "false"]),
    *rows("deceased", patient(), finds=["false"], misses=["true"]),
    *rows("deceased", patient(deceasedBoolean=True), finds=["true"], misses=["false"]),
    *rows("deceased", patient(deceasedBoolean=False), finds=["false"], misses=["true"]),
    *rows("deceased", patient(deceasedDateTime="2020"), finds=["true"], misses=["false"]),
    *rows("birthOrderBoolean", patient(multipleBirthBoolean=True), finds=["true"], misses=["false"]),
    *rows("telecom", reachable("phone", "555"), finds=["555"], misses=["556", "55"]),
    *rows("phone", reachable("phone", "555"), finds=["555"]),
    *rows("phone", reachable("email", "a@b.org"), misses=["a@b.org"]),
    *rows("email", reachable("email", "a@b.org"), finds=["a@b.org"], misses=["A@b.org"]),
    *rows("language", patient(communication=[{"language": concept("urn:ietf:bcp:47", "de")}]), finds=["de", "urn:ietf:bcp:47|de"], misses=["DE"]),
    # `:not` is the complement, and so finds what says nothing.
    *rows("gender:not", patient(gender="male"), finds=["female", "female,other"], misses=["male", "female,male"]),
    *rows("gender:not", patient(), finds=["male"]),
    *rows("identifier:not", identified({"system": ACME, "value": "1"}), finds=["2", "|1", "http://b|1"], misses=["1", f"{ACME}|1", f"{ACME}|"]),
    *rows("code:not", observation(code=BOTH), finds=["x"], misses=["8480-6", "271649006"]),
    # `_id` is a token too.
    *rows("_id", patient(id="token-1"), finds=["token-1", "x,token-1"], misses=["token", "TOKEN-1"]),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_token_is_found_as_the_specification_says(found: Search, row: Row) -> None:
    assert agrees(row, found)
