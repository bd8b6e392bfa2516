"""Segment tables, merging, and what the tables are made of (v2-to-FHIR guide; HL7 v2.5.1 §2.5.3)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hl7_listener.conceptmap import table
from hl7_listener.er7 import Segment, parse
from hl7_listener.faults import Refused
from hl7_listener.merge import merged, without_server_meta
from hl7_listener.messages.oru import patient_results
from hl7_listener.messagetype import supported
from hl7_listener.segmentmap import DELETE, Facts, Items, SegmentMap
from hl7_listener.segments.obx import OBX
from hl7_listener.segments.pid import PID
from hl7_listener.segments.pv1 import PV1
from hl7_listener.sender import Sender
from kernel import registry

SENDER = Sender("ADT", "HOSPA")
TABLES = Path(__file__).resolve().parents[3] / "profiles" / "hl7v2"


def pid(**fields: str) -> Segment:
    values = [""] * 31
    for name, value in fields.items():
        values[int(name.removeprefix("f"))] = value
    return Segment("PID", ("PID", *values[1:]))


def applied(stored: dict[str, Any], segment: Segment, of: SegmentMap = PID) -> dict[str, Any]:
    return merged(stored, of.facts(segment, SENDER))


def test_every_message_and_segment_is_found() -> None:
    assert set(supported()) == {"ADT", "ORU"}
    assert set(registry.scan("hl7_listener.segments", SegmentMap)) == {
        "NTE[Observation]",
        "OBR[DiagnosticReport]",
        "OBX[Observation]",
        "PID[Patient]",
        "PV1[Encounter]",
    }


def test_every_row_names_a_field_of_its_segment() -> None:
    for name, found in registry.scan("hl7_listener.segments", SegmentMap).items():
        fields = [row.field for row in found.rows] + [
            f for rule in found.rules for f in rule.fields
        ]
        assert all(field.startswith(f"{found.segment}-") for field in fields), name


@pytest.mark.parametrize("file", sorted(TABLES.glob("*.json")), ids=lambda file: file.stem)
def test_every_table_says_where_it_is_from(file: Path) -> None:
    data = json.loads(file.read_text())

    assert data["origin"]
    assert data["codes"]
    assert table(file.stem).codes == data["codes"]


def test_absent_is_unchanged_and_null_is_deleted() -> None:
    stored = {"resourceType": "Patient", "birthDate": "1970-01-01", "gender": "female"}

    assert applied(stored, pid(f8='""')) == {"resourceType": "Patient", "birthDate": "1970-01-01"}


def test_identifiers_of_others_stay_and_ours_are_not_doubled() -> None:
    stored = {
        "identifier": [{"system": "s", "value": "1"}, {"system": "urn:id:HOSPA", "value": "7"}]
    }

    found = applied(stored, pid(f3="7^^^HOSPA~8^^^HOSPA"))["identifier"]

    assert [one["value"] for one in found] == ["1", "7", "8"]


def test_a_field_speaks_only_for_its_own_items_of_a_list() -> None:
    stored = {
        "telecom": [
            {"system": "phone", "value": "1", "use": "home"},
            {"system": "phone", "value": "2", "use": "work"},
        ]
    }

    assert [one["value"] for one in applied(stored, pid(f13="3"))["telecom"]] == ["2", "3"]
    assert [one["value"] for one in applied(stored, pid(f14='""'))["telecom"]] == ["1"]


def test_a_choice_has_one_type() -> None:
    stored = {"deceasedBoolean": True}

    assert applied(stored, pid(f29="20240301")) == {"deceasedDateTime": "2024-03-01"}


def test_a_time_of_birth_is_kept_beside_the_date() -> None:
    found = applied({}, pid(f7="197001011230+0000"))

    assert found["birthDate"] == "1970-01-01"
    assert found["_birthDate"]["extension"][0]["valueDateTime"] == "1970-01-01T12:30:00+00:00"


def test_the_order_of_members_stays_so_that_no_change_is_no_version() -> None:
    segment = pid(f3="7^^^HOSPA", f5="A^B", f7="1970", f8="F", f11="x^^y", f16="M")
    once = applied({"resourceType": "Patient", "id": "1"}, segment)

    assert json.dumps(applied(once, segment)) == json.dumps(once)


def test_all_faults_of_a_segment_are_told_at_once() -> None:
    with pytest.raises(Refused) as raised:
        PID.facts(pid(f7="never", f8="Q", f25="x"), SENDER)

    assert [(fault.place, fault.code) for fault in raised.value.faults] == [
        ("PID-7", "102"),
        ("PID-8", "103"),
        ("PID-25", "102"),
    ]
    assert "never" not in str(raised.value)
    assert "`never`" in raised.value.reason


def test_a_snapshot_leaves_nothing_of_the_old_value() -> None:
    stored = {
        "status": "final",
        "valueQuantity": {"value": 1},
        "interpretation": [{}],
        "device": {},
    }
    segment = Segment("OBX", ("OBX", "1", "ST", "c", "", "new", "", "", "", "", "", "C"))

    assert merged(stored, OBX.facts(segment, SENDER)) == {
        "status": "corrected",
        "device": {},
        "code": {"coding": [{"code": "c"}]},
        "valueString": "new",
    }


def test_a_nested_element_goes_with_its_last_member() -> None:
    stored = {"period": {"start": "2024"}}

    assert merged(stored, Facts({"period.start": DELETE})) == {}
    assert merged(stored, Facts({"period.end": "2025"}))["period"] == {
        "start": "2024",
        "end": "2025",
    }
    assert stored == {"period": {"start": "2024"}}


def test_an_emptied_list_is_no_list() -> None:
    assert merged({"name": [{"family": "A"}]}, Facts(lists={"name": Items((), (bool,))})) == {}


def test_the_servers_own_meta_is_not_sent_back() -> None:
    stored = {"id": "1", "meta": {"versionId": "3", "lastUpdated": "x", "tag": [{}]}}

    assert without_server_meta(stored) == {"id": "1", "meta": {"tag": [{}]}}


def test_an_attending_doctor_replaces_only_the_attending_doctor() -> None:
    first = Segment("PV1", ("PV1", "1", "I", "", "", "", "", "1^A", "2^B"))
    second = Segment("PV1", ("PV1", "1", "I", "", "", "", "", "3^C"))

    found = applied(applied({}, first, PV1), second, PV1)["participant"]

    assert sorted(one["individual"]["display"] for one in found) == ["B", "C"]


def test_results_are_grouped_by_patient_and_order() -> None:
    message = parse(
        "MSH|^~\\&|\rPID|1\rPV1|1\rORC|RE|O1|F1\rOBR|1\rOBX|1||a\rNTE|1||n\rOBX|2\r"
        "OBR|2||F2\rZZZ|1\rPID|2\rOBX|1||b\r"
    )

    first, second = patient_results(message.segments)

    assert [(o.obr.raw(3) if o.obr else "", len(o.results)) for o in first.orders] == [
        ("F1", 2),
        ("F2", 0),
    ]
    assert first.orders[0].results[1].obx.raw(3) == "a"
    assert len(first.orders[0].results[0].notes) == 1
    assert second.orders[0].obr is None


def test_results_without_a_patient_are_out_of_sequence() -> None:
    with pytest.raises(Refused) as raised:
        patient_results(parse("MSH|^~\\&|\rOBR|1\rPID|1").segments)

    assert raised.value.faults[0].code == "100"
