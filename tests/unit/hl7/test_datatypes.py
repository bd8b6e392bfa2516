"""HL7 v2 data types → FHIR data types (HL7 v2.5.1 chapter 2A)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7_listener.conceptmap import table
from hl7_listener.datatypes.code import coded, concept, mapped, required, yes_no
from hl7_listener.datatypes.document import attachment
from hl7_listener.datatypes.identity import authority, cx, order_number, pl, xcn
from hl7_listener.datatypes.person import xad, xpn, xtn
from hl7_listener.datatypes.time import date, date_time, time
from hl7_listener.datatypes.value import number, observation_value, reference_range, unit
from hl7_listener.er7 import Delimiters, Repetition, Segment
from hl7_listener.sender import Sender
from kernel.errors import BadStructure, BadValue, Invalid

BERLIN = ZoneInfo("Europe/Berlin")
SENDER = Sender("LAB", "HOSPA", BERLIN)


def rep(raw: str) -> Repetition:
    return Repetition(raw, Delimiters())


def obx(kind: str, value: str, units: str = "") -> Segment:
    return Segment("OBX", ("OBX", "1", kind, "c", "", value, units))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("0000", None),
        ("1951", "1951"),
        ("195102", "1951-02"),
        ("19510203", "1951-02-03"),
        ("2024030110", "2024-03-01T10:00:00+01:00"),
        ("202407011015", "2024-07-01T10:15:00+02:00"),
        ("20240301101500.1234-0500", "2024-03-01T10:15:00.1234-05:00"),
        ("20240301101500+0000", "2024-03-01T10:15:00+00:00"),
        ("20240331023000", "2024-03-31T02:30:00+01:00"),  # the hour that is skipped
        ("20241027023000", "2024-10-27T02:30:00+02:00"),  # the hour that comes twice
    ],
)
def test_a_time_is_as_precise_as_it_was_sent(text: str, expected: str | None) -> None:
    assert date_time(text, BERLIN) == expected


@pytest.mark.parametrize(
    "text",
    ["never", "19701301", "20240230", "2024-03-01", "20240301101500+2500", "202403011", "195١"],
)
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(BadStructure):
        date_time(text, BERLIN)


@given(st.datetimes(), st.sampled_from(["+0000", "-0500", "+0530", "+1400"]))
def test_a_time_with_an_offset_is_the_same_moment(moment: Any, offset: str) -> None:
    text = f"{moment:%Y}".zfill(4) + f"{moment:%m%d%H%M%S}{offset}"

    found = date_time(text, None)

    assert found == f"{moment.replace(microsecond=0).isoformat()}{offset[:3]}:{offset[3:]}"


def test_a_date_leaves_the_time_of_day_out() -> None:
    assert date("195102031230") == "1951-02-03"


@pytest.mark.parametrize(
    ("text", "expected"), [("1015", "10:15:00"), ("101530.5", "10:15:30.5"), ("10", "10:00:00")]
)
def test_a_time_of_day_has_seconds(text: str, expected: str) -> None:
    assert time(text) == expected


@pytest.mark.parametrize("text", ["25", "1060", "x", "١٢"])
def test_what_is_no_time_of_day_is_refused(text: str) -> None:
    with pytest.raises(BadStructure):
        time(text)


@pytest.mark.parametrize(
    ("namespace", "universal", "expected"),
    [
        ("HOSPA", "", "urn:id:HOSPA"),
        ("HOSPA", "1.2.840.1", "urn:oid:1.2.840.1"),
        ("", "https://hospital.example/ids", "https://hospital.example/ids"),
        (
            "",
            "2F2A5B2E-0B0B-4B0B-8B0B-0B0B0B0B0B0B",
            "urn:uuid:2f2a5b2e-0b0b-4b0b-8b0b-0b0b0b0b0b0b",
        ),
        ("A B/C", "", "urn:id:A%20B%2FC"),
        ("NPI", "", "http://hl7.org/fhir/sid/us-npi"),
        ("", "", None),
    ],
)
def test_an_authority_is_a_uri(namespace: str, universal: str, expected: str | None) -> None:
    assert authority(namespace, universal) == expected


def test_an_identifier_without_authority_is_the_senders_own() -> None:
    assert cx(rep("123^^^^MR"), SENDER) == {
        "type": {
            "coding": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/v2-0203",
                    "code": "MR",
                    "display": "Medical record number",
                }
            ]
        },
        "system": "urn:id:HOSPA",
        "value": "123",
    }


def test_an_order_number_is_of_its_assigner() -> None:
    filler = order_number("FILL")

    assert filler(rep("F1^LAB"), SENDER)["system"] == "urn:id:LAB"
    assert filler(rep("F1^LAB^1.2.3^ISO"), SENDER)["system"] == "urn:oid:1.2.3"
    assert filler(rep("F1"), SENDER)["system"] == "urn:id:HOSPA:FILL"


def test_a_name_keeps_its_parts() -> None:
    assert xpn(rep("van Dam&van&Dam^Ann^B.^III^Dr^^L"), SENDER) == {
        "use": "official",
        "family": "van Dam",
        "given": ["Ann", "B."],
        "prefix": ["Dr"],
        "suffix": ["III"],
    }
    assert xpn(rep("^^^^^^L"), SENDER) is None


def test_an_address_keeps_its_parts() -> None:
    assert xad(rep("1 Way&Way&1^Flat 2^Town^ST^123^NL^H^^County"), SENDER) == {
        "use": "home",
        "line": ["1 Way", "Flat 2"],
        "city": "Town",
        "district": "County",
        "state": "ST",
        "postalCode": "123",
        "country": "NL",
    }


@pytest.mark.parametrize(
    ("raw", "system", "value", "use"),
    [
        ("555-0100", "phone", "555-0100", "home"),
        ("555-0100^WPN^PH", "phone", "555-0100", "work"),
        ("^PRN^CP^^1^555^1234567^9", "phone", "+1 555 1234567 x9", "mobile"),
        ("^NET^Internet^a@b.example", "email", "a@b.example", "home"),
        ("^ORN^FX^^^^^^^^^(555) 1", "fax", "(555) 1", "home"),
    ],
)
def test_a_telephone_number_is_read_from_wherever_it_is(
    raw: str, system: str, value: str, use: str
) -> None:
    assert xtn("home")(rep(raw), SENDER) == {"system": system, "value": value, "use": use}


def test_people_and_places_are_logical_references() -> None:
    assert xcn(rep("77^Doc^Tor^^^Dr^^^NPI"), SENDER) == {
        "type": "Practitioner",
        "identifier": {"system": "http://hl7.org/fhir/sid/us-npi", "value": "77"},
        "display": "Dr Tor Doc",
    }
    assert pl(rep("W1^2^3"), SENDER) == {
        "type": "Location",
        "identifier": {"system": "urn:id:HOSPA:location", "value": "W1^2^3"},
        "display": "W1 2 3",
    }


def test_both_triplets_are_codings_and_the_ninth_component_is_the_text() -> None:
    found = concept(rep("2345-7^Glucose^LN^GLU^Gluc^L^^^blood sugar"), SENDER)

    assert found == {
        "coding": [
            {"system": "http://loinc.org", "code": "2345-7", "display": "Glucose"},
            {"system": "urn:id:HOSPA:L", "code": "GLU", "display": "Gluc"},
        ],
        "text": "blood sugar",
    }


def test_a_text_without_a_code_is_a_text() -> None:
    assert concept(rep("^Chest pain"), SENDER) == {"text": "Chest pain"}
    assert concept(rep(""), SENDER) is None


def test_a_code_without_a_system_is_of_its_table() -> None:
    assert coded("0007")(rep("E"), SENDER) == {
        "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0007", "code": "E"}]
    }


def test_a_code_that_is_not_in_the_table_stays_what_it_is() -> None:
    assert mapped("marital-status")(rep("M^Married^HL70002"), SENDER)["coding"][0]["system"] == (  # type: ignore[index]  # never None here
        "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus"
    )
    assert mapped("marital-status")(rep("XX"), SENDER) == {
        "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0002", "code": "XX"}]
    }


def test_a_code_that_fhir_binds_must_be_in_the_table() -> None:
    assert required("gender")(rep("f"), SENDER) == "female"
    with pytest.raises(BadValue, match="`Q` is not one of `F`, `M`"):
        required("gender")(rep("Q"), SENDER)
    with pytest.raises(BadValue):
        yes_no(rep("maybe"), SENDER)


@pytest.mark.parametrize(
    ("kind", "value", "units", "expected"),
    [
        ("NM", "7.50", "mg/dl", {"value": Decimal("7.50"), "unit": "mg/dl", "code": "mg/dL"}),
        ("NM", "<5", "", {"value": Decimal(5), "comparator": "<"}),
        ("SN", ">^500", "mg/dL", {"comparator": ">", "value": Decimal(500), "code": "mg/dL"}),
        ("NM", "7", "furlong", {"value": Decimal(7), "unit": "furlong"}),
        ("NM", "7", "x[y]^Y^UCUM", {"value": Decimal(7), "unit": "Y", "code": "x[y]"}),
    ],
)
def test_a_quantity_has_the_digits_and_units_that_were_sent(
    kind: str, value: str, units: str, expected: dict[str, Any]
) -> None:
    quantity = observation_value(obx(kind, value, units), SENDER)["valueQuantity"]

    assert {name: quantity.get(name) for name in expected} == expected
    assert str(quantity["value"]) == str(expected["value"])
    assert ("code" in quantity) == ("code" in expected)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("NM", "haemolysed", {"valueString": "haemolysed"}),
        (
            "SN",
            "^1^:^128",
            {"valueRatio": {"numerator": {"value": 1}, "denominator": {"value": 128}}},
        ),
        ("SN", "^1^-^3", {"valueRange": {"low": {"value": 1}, "high": {"value": 3}}}),
        ("SN", "<>^5", {"valueString": "<>5"}),
        ("SN", "^3^+", {"valueString": "3+"}),
        ("TX", "one~two", {"valueString": "one\ntwo"}),
        ("ST", "a^b", {"valueString": "a^b"}),
        ("DT", "2024", {"valueDateTime": "2024"}),
        ("TM", "1015", {"valueTime": "10:15:00"}),
        ("TS", "20240301101500+0000", {"valueDateTime": "2024-03-01T10:15:00+00:00"}),
        ("DR", "2023^2024", {"valuePeriod": {"start": "2023", "end": "2024"}}),
        ("NR", "1^", {"valueRange": {"low": {"value": 1}}}),
        ("ED", "x", {}),
        ("ZZ", "who knows", {"valueString": "who knows"}),
        ("NM", "", {}),
    ],
)
def test_a_value_is_what_its_type_says(kind: str, value: str, expected: dict[str, Any]) -> None:
    assert observation_value(obx(kind, value), SENDER) == expected


def test_the_codes_of_all_repetitions_are_one_concept() -> None:
    found = observation_value(obx("CE", "1^A^LN~2^B^LN"), SENDER)

    assert [coding["code"] for coding in found["valueCodeableConcept"]["coding"]] == ["1", "2"]


@given(
    st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-9999, max_value=9999)
)
def test_a_number_keeps_every_digit(value: Decimal) -> None:
    assert str(number(str(value))) == str(value)


def test_every_spelling_of_a_unit_is_in_lower_case_and_a_ucum_code_has_no_spaces() -> None:
    for spelling, code in table("ucum").codes.items():
        assert spelling == spelling.lower()
        assert " " not in code
        assert unit(rep(spelling.replace("^", "\\S\\").upper()), SENDER)["code"] == code


def test_a_reference_range_keeps_its_text() -> None:
    assert reference_range(rep("70-99"), {"unit": "x"}) == {
        "low": {"value": Decimal(70), "unit": "x"},
        "high": {"value": Decimal(99), "unit": "x"},
        "text": "70-99",
    }
    assert reference_range(rep("negative"), {}) == {"text": "negative"}


def test_a_document_is_an_attachment() -> None:
    assert attachment("ED", rep("LAB^text^plain^Base64^SGVsbG8="), "Note") == {
        "contentType": "text/plain",
        "data": "SGVsbG8=",
        "title": "Note",
    }
    assert attachment("ED", rep("^AP^pdf^Hex^4869"), "")["data"] == "SGk="  # type: ignore[index]  # never None here
    assert attachment("RP", rep("https://x.example/1^image^PNG"), "")["contentType"] == "image/png"  # type: ignore[index]  # never None here
    with pytest.raises(BadStructure):
        attachment("ED", rep("^AP^pdf^Base64^***"), "")


ANY = st.text(st.sampled_from("aZ09.-+^&~\\ <>:/@é\n"), max_size=40)


@given(ANY)
def test_no_value_breaks_a_data_type(raw: str) -> None:
    value = rep(raw)
    for make in (cx, xcn, pl, xpn, xad, xtn("home"), concept, coded("0001"), yes_no):
        try:
            found = make(value, SENDER)
        except Invalid:
            continue
        assert found is None or found not in ({}, "", [])


@given(st.sampled_from(["NM", "SN", "CWE", "TX", "DT", "TM", "DR", "NR", "ZZ"]), ANY, ANY)
def test_no_value_breaks_an_observation(kind: str, value: str, units: str) -> None:
    try:
        found = observation_value(obx(kind, value, units), SENDER)
    except Invalid:
        return
    assert len(found) <= 1
