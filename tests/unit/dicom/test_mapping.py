"""DICOM attributes → FHIR. DICOM PS3.3 §C.7; https://hl7.org/fhir/R4/imagingstudy.html"""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset

from dicom_node import header
from dicom_node.mapping import patient, values
from dicom_node.mapping.attribute import Attribute, AttributeMap
from dicom_node.mapping.imaging_study import Mapped, accession, mapped
from dicom_node.mapping.merge import merge

CT = Path(str(get_testdata_file("CT_small.dcm")))
SUBJECT = {"reference": "Patient/p"}


def dataset(**elements: Any) -> Dataset:
    made = Dataset()
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return made


def instance(number: int, series: str = "1.2", study: dict[str, Any] | None = None) -> Mapped:
    return Mapped(
        id="s",
        StudyInstanceUID="1",
        SOPInstanceUID=f"1.2.{number}",
        study=study or {"identifier": [{"system": "urn:dicom:uid", "value": "urn:oid:1"}]},
        series={"uid": series, "modality": {"code": "CT"}},
        instance={"uid": f"1.2.{number}", "number": number},
        subject=patient.Subject("", "", "p", {}),
    )


def test_a_keyword_that_is_not_in_the_dictionary_stops_the_import() -> None:
    with pytest.raises(ValueError, match="`PatientNam`"):
        Attribute("PatientNam", "name", values.text)


def test_an_unreadable_value_is_left_out() -> None:
    table = AttributeMap("x", (Attribute("SeriesNumber", "number", values.unsigned),))
    bad = Dataset()
    bad.add_new("SeriesNumber", "LO", "seven")

    assert table.apply(bad) == {}


@pytest.mark.parametrize(
    ("date", "time", "offset", "expected"),
    [
        ("20240131", "101112", "", "2024-01-31T10:11:12+00:00"),
        ("20240131", "101112.5", "", "2024-01-31T10:11:12.500+00:00"),
        ("20240131", "1011", "+0530", "2024-01-31T10:11:00+05:30"),
        ("20240131", "10:11:12", "-0500", "2024-01-31T10:11:12-05:00"),
        ("2024.01.31", "10", "", "2024-01-31T10:00:00+00:00"),
        ("20240131", "235960", "", "2024-01-31T23:59:59+00:00"),
        ("20240131", "240000", "", "2024-01-31"),
        ("20240131", "noon", "", "2024-01-31"),
        ("20240131", "", "", "2024-01-31"),
        ("202401", "101112", "", "2024-01"),
        ("20240230", "101112", "", None),
        ("yesterday", "", "", None),
    ],
)
def test_moments(date: str, time: str, offset: str, expected: str | None) -> None:
    made = Dataset()
    made.add_new("StudyDate", "LO", date)
    made.add_new("StudyTime", "LO", time)
    made.add_new("TimezoneOffsetFromUTC", "SH", offset)

    assert values.moment(made, "StudyDate", "StudyTime", UTC) == expected


def test_a_time_without_an_offset_is_in_the_zone_of_the_site() -> None:
    made = dataset(StudyDate="20240701", StudyTime="120000")

    found = values.moment(made, "StudyDate", "StudyTime", ZoneInfo("Europe/Vienna"))

    assert found == "2024-07-01T12:00:00+02:00"


@pytest.mark.parametrize(
    ("raw", "expected"), [("7", 7), (" 7 ", 7), ("-1", None), ("", None), ("x", None)]
)
def test_numbers_that_fhir_cannot_hold_are_left_out(raw: str, expected: int | None) -> None:
    assert values.unsigned(raw) == expected


def test_names_keep_their_three_writings() -> None:
    made = dataset(SpecificCharacterSet=["", "ISO 2022 IR 87"])
    made.PatientName = "Yamada^Tarou=山田^太郎=やまだ^たろう"  # PS3.5 §H.3.1

    found = patient.PATIENT.apply(made)["name"]

    assert [name["family"] for name in found] == ["Yamada", "山田", "やまだ"]
    assert [name["extension"][0]["valueCode"] for name in found[1:]] == ["IDE", "SYL"]
    assert found[0] == {"use": "official", "family": "Yamada", "given": ["Tarou"]}


@pytest.mark.parametrize(
    ("elements", "system"),
    [
        ({}, "urn:dicom:issuer:unknown"),
        ({"IssuerOfPatientID": "WARD 1"}, "urn:id:WARD%201"),
        (
            {
                "IssuerOfPatientID": "X",
                "IssuerOfPatientIDQualifiersSequence": [
                    dataset(UniversalEntityID="1.2.3", UniversalEntityIDType="ISO")
                ],
            },
            "urn:oid:1.2.3",
        ),
    ],
)
def test_the_issuer_is_the_system(elements: dict[str, Any], system: str) -> None:
    found = patient.subject(dataset(PatientID="7", **elements), "1.2")

    assert (found.system, found.value) == (system, "7")
    assert found.resource["identifier"] == [{"use": "usual", "system": system, "value": "7"}]


def test_without_a_patient_id_each_study_has_its_own_patient() -> None:
    one = patient.subject(dataset(PatientName="A"), "1.2")
    two = patient.subject(dataset(PatientName="A"), "1.3")

    assert one.id != two.id
    assert "identifier" not in one.resource


@pytest.mark.parametrize(
    ("candidate", "expected"),
    [
        ({}, False),
        ({"birthDate": "1950-01-01", "name": [{"family": "SAMPLE"}]}, False),
        ({"birthDate": "1951-01-01"}, True),
        ({"name": [{"family": "Other"}]}, True),
    ],
)
def test_demographics_speak_against_a_match(candidate: dict[str, Any], expected: bool) -> None:
    found = patient.subject(
        dataset(PatientID="1", PatientName="Sample^A", PatientBirthDate="19500101"), "1.2"
    )

    assert patient.contradicts(candidate, found) is expected


def test_an_accession_number_orders_the_study() -> None:
    assert accession(dataset(AccessionNumber="A7")) == [
        {
            "type": {
                "coding": [
                    {"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "ACSN"}
                ]
            },
            "value": "A7",
        }
    ]


def test_a_ct_image_as_fhir() -> None:
    found = mapped(header.read(CT), UTC)

    study = merge(None, [found], SUBJECT)

    assert study["identifier"][0]["value"].startswith("urn:oid:1.3.6.1.4.1.5962")
    assert study["started"] == "2004-01-19T07:27:30-05:00"
    assert study["description"] == "e+1"
    assert study["series"][0]["instance"][0]["sopClass"] == {
        "system": "urn:ietf:rfc:3986",
        "code": "urn:oid:1.2.840.10008.5.1.4.1.1.2",
    }
    assert study["series"][0]["instance"][0]["title"] == "AXIAL"


@given(st.permutations(range(6)))
def test_the_order_of_arrival_does_not_matter(order: list[int]) -> None:
    instances = [instance(number, f"1.{number % 2}") for number in range(6)]
    together = merge(None, instances, SUBJECT)

    study: dict[str, Any] | None = None
    for number in order:
        study = merge(study, [instances[number]], SUBJECT)

    assert study == together
    assert (together["numberOfSeries"], together["numberOfInstances"]) == (2, 6)


def test_what_is_there_already_changes_nothing() -> None:
    study = merge(None, [instance(1), instance(2)], SUBJECT)

    assert merge(study, [instance(2)], {"reference": "Patient/other"}) == study


def test_what_others_wrote_is_kept() -> None:
    study = {**merge(None, [instance(1)], SUBJECT), "description": "by hand", "status": "cancelled"}

    found = merge(study, [instance(2, study={"description": "by a machine"})], SUBJECT)

    assert (found["description"], found["status"]) == ("by hand", "available")


def test_an_entry_in_error_stays_one() -> None:
    study = {**merge(None, [instance(1)], SUBJECT), "status": "entered-in-error"}

    assert merge(study, [instance(2)], SUBJECT)["status"] == "entered-in-error"


def test_the_earliest_start_counts() -> None:
    late = instance(1, study={"started": "2024-01-31T10:00:00+02:00"})
    early = instance(2, study={"started": "2024-01-31T09:00:00+02:00"})

    assert merge(None, [late, early], SUBJECT)["started"] == early.study["started"]


@given(st.text(max_size=40))
def test_any_text_becomes_a_clean_string_or_nothing(raw: str) -> None:
    found = values.text(raw)

    assert found is None or (found == found.strip() and "\0" not in found and found)


@given(st.text(max_size=12), st.text(max_size=12), st.text(max_size=6))
def test_no_date_breaks_the_mapping(date: str, time: str, offset: str) -> None:
    made = Dataset()
    made.add_new("StudyDate", "LO", date)
    made.add_new("StudyTime", "LO", time)
    made.add_new("TimezoneOffsetFromUTC", "SH", offset)

    found = values.moment(made, "StudyDate", "StudyTime", UTC)

    assert found is None or values.instant_of(found).tzinfo is not None
