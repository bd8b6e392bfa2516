"""What the runner reads off an ImagingStudy: https://hl7.org/fhir/R4/imagingstudy.html"""

from __future__ import annotations

import pytest

from ai_adapters.study import facts, readable, run_id
from tests.unit.ai.samples import MODEL, study


def test_the_facts_name_instances_and_modalities_and_no_patient() -> None:
    known = facts(study())

    assert (known.id, known.uid) == ("s1", "1.2.3")
    assert known.instances == ("1.2.3.1.1", "1.2.3.1.2")
    assert known.modalities == {"CT"}
    assert "Müller" not in repr(known)
    assert "p1" not in repr(known)


def test_a_study_without_an_identifier_still_has_facts() -> None:
    assert facts(study(identifier=None, modality=None)).uid == ""


@pytest.mark.parametrize("status", ["cancelled", "entered-in-error"])
def test_a_void_study_is_not_read(status: str) -> None:
    assert not readable(study(status=status))


def test_an_empty_study_is_not_read() -> None:
    assert not readable(study(series=None))
    assert not readable(study(series=[{"uid": "1.2.3.1", "modality": {"code": "CT"}}]))


def test_a_study_of_somebody_contained_is_not_read() -> None:
    assert not readable(study(subject={"reference": "#p"}))
    assert readable(study())


def test_a_run_is_named_by_model_version_study_and_instances() -> None:
    known = facts(study())
    grown = facts(study(series=[*study()["series"], *_another_series()]))

    runs = {
        run_id("m", "1", known),
        run_id("n", "1", known),
        run_id("m", "2", known),
        run_id("m", "1", facts(study(id="s2"))),
        run_id("m", "1", grown),
    }

    assert len(runs) == 5
    assert run_id("m", "1", facts(study(description="as before"))) in runs


def test_a_model_accepts_what_it_names_and_one_that_names_nothing_accepts_all() -> None:
    assert MODEL.accepts(frozenset({"CT", "SR"}))
    assert not MODEL.accepts(frozenset({"MR"}))
    assert not MODEL.accepts(frozenset())


def _another_series() -> list[dict[str, object]]:
    return [
        {
            "uid": "1.2.3.2",
            "modality": {"code": "CT"},
            "instance": [{"uid": "1.2.3.2.1", "sopClass": {"code": "urn:oid:1.2"}}],
        }
    ]
