"""What a model said, as FHIR: https://hl7.org/fhir/R4/diagnosticreport.html"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ai_adapters import report, trail
from ai_adapters.wire import MAX_FINDINGS
from fhir_server.validation import validate
from tests.unit.ai.samples import MODEL, NODULE, PLAIN, study

AT = "2026-01-02T03:04:05.678Z"
RUN = "0f8fad5b-d9cb-469f-a165-70867728950e"


def made(**changes: Any) -> dict[str, Any]:
    return report.report(MODEL, study(**changes), RUN, (NODULE, PLAIN), AT)


def test_a_report_is_preliminary_and_labelled_as_asserted_by_a_machine() -> None:
    resource = made()

    assert resource["status"] == "preliminary"
    assert [label["code"] for label in resource["meta"]["security"]] == ["AIAST"]
    assert resource["conclusion"].splitlines() == [
        "PRELIMINARY, by the AI model sample 2.1, not reviewed by a clinician.",
        "A nodule.",
        "Nothing else.",
    ]


def test_everything_that_is_written_is_valid() -> None:
    who = trail.provenance(RUN, MODEL, "s1", ["DiagnosticReport/r"], AT, "CREATE")
    observations = report.observations(MODEL, study(), (NODULE, PLAIN) * (MAX_FINDINGS // 2), AT)
    failed = trail.task(MODEL, study(), RUN, "The model raised `ValueError`.", AT)

    for resource in (made(), report.device(MODEL), who, failed, *observations):
        validate(resource)
    for resource in (made(), *observations):
        validate(report.withdrawn(resource))


def test_no_machine_performs_or_interprets() -> None:
    everything = [made(), *report.observations(MODEL, study(), (NODULE,), AT)]

    assert not any({"performer", "resultsInterpreter"} & resource.keys() for resource in everything)


def test_a_report_of_a_silent_model_says_that_nothing_was_found() -> None:
    resource = report.report(MODEL, study(), "run", (), AT)

    assert resource["conclusion"].endswith("No findings.")
    assert "result" not in resource


def test_the_report_points_at_the_study_and_its_observations() -> None:
    resource = made()
    observations = report.observations(MODEL, study(), (NODULE, PLAIN), AT)

    assert resource["imagingStudy"] == [{"reference": "ImagingStudy/s1"}]
    assert resource["result"] == [{"reference": f"Observation/{o['id']}"} for o in observations]


def test_the_code_is_the_procedures_or_that_of_any_imaging_report() -> None:
    procedure = {"coding": [{"system": "http://loinc.org", "code": "24627-2"}]}

    assert made()["code"]["coding"][0]["code"] == "18748-4"
    assert made(procedureCode=[procedure])["code"] == procedure


def test_orders_and_encounter_are_taken_over_where_the_report_may_have_them() -> None:
    orders = [
        {"reference": "ServiceRequest/o1"},
        {"reference": "Appointment/a1"},
        {"type": "CarePlan", "identifier": {"value": "7"}},
        {"reference": "#here", "type": "ServiceRequest"},
        {"reference": "https://example.org/fhir/ServiceRequest/o2/_history/3"},
    ]

    resource = made(basedOn=orders, encounter={"reference": "Encounter/e1"})

    assert resource["basedOn"] == [orders[0], orders[2], orders[4]]
    assert resource["encounter"] == {"reference": "Encounter/e1"}
    assert resource["subject"] == study()["subject"]
    assert "encounter" not in made(encounter={"reference": "#e"})


def test_a_finding_with_a_code_and_a_confidence_keeps_both() -> None:
    coded, plain = report.observations(MODEL, study(), (NODULE, PLAIN), AT)

    assert coded["code"]["coding"] == [NODULE.code]
    assert coded["component"][0]["valueQuantity"]["value"] == Decimal("87.5")
    assert plain["code"]["coding"][0]["code"] == "18782-3"
    assert "component" not in plain
    assert plain["valueString"] == "Nothing else."


def test_ids_are_the_same_for_the_same_run_and_differ_by_version() -> None:
    assert made() == made()
    assert report.report_id(MODEL, "s1") != report.report_id(MODEL, "s2")


def test_a_stored_report_is_recognised_with_or_without_what_the_server_adds() -> None:
    stored = {**made(), "meta": {"versionId": "1"}}

    assert report.is_of(stored, RUN, study())
    assert not report.is_of(stored, "another", study())


def test_a_study_that_got_another_patient_or_lost_its_order_wants_a_new_report() -> None:
    ordered = made(basedOn=[{"reference": "ServiceRequest/o1"}])

    assert not report.is_of(made(), RUN, study(subject={"reference": "Patient/p2"}))
    assert not report.is_of(ordered, RUN, study())


@pytest.mark.parametrize("status", ["final", "amended", "entered-in-error", "cancelled", "partial"])
def test_a_report_that_a_clinician_moved_on_is_closed(status: str) -> None:
    assert not report.is_open({**made(), "status": status})


def test_a_report_that_we_withdrew_may_be_written_again() -> None:
    withdrawn = report.withdrawn(made())

    assert withdrawn["status"] == "cancelled"
    assert report.is_open(withdrawn)
    assert not report.is_of(withdrawn, RUN, study())


def test_provenance_names_the_device_as_author_and_the_study_as_source() -> None:
    who = trail.provenance("run", MODEL, "s1", ["DiagnosticReport/r"], AT, "CREATE")

    assert who["agent"][0]["who"]["reference"] == f"Device/{report.device_id(MODEL)}"
    assert who["entity"] == [{"role": "source", "what": {"reference": "ImagingStudy/s1"}}]


def test_the_device_says_who_made_it_and_under_which_licence() -> None:
    device = report.device(MODEL)

    assert device["manufacturer"] == "Somebody"
    assert {"text": "Licence: MIT"} in device["note"]
    assert device["version"][0]["value"] == "2.1"
