"""https://hl7.org/fhir/R4/search.html#revinclude"""

from __future__ import annotations

import pytest

from fhir_server.model import EVERYTHING
from fhir_server.service import FhirService
from tests.integration.fhir.linked import (
    fill,
    included,
    members,
    modes,
    observation,
    page,
    patient,
    provenance,
    reader,
)


async def _leaky(service: FhirService) -> None:
    await fill(
        service,
        patient("1", link=[{"other": {"reference": "Patient/2"}, "type": "seealso"}]),
        patient("2"),
        observation("mine", "Patient/1", **members("theirs"), performer=[
            {"reference": "Practitioner/d"}, {"reference": "Patient/2"}]),
        observation("theirs", "Patient/2", **members("mine"), focus=[
            {"reference": "Patient/1"}]),
        {"resourceType": "Practitioner", "id": "d"},
        {"resourceType": "Flag", "id": "f", "status": "active", "code": {"text": "x"},
         "subject": {"reference": "Patient/1"}},
        provenance("p", "Patient/1", "Patient/2"),
    )  # fmt: skip


LEAKS = [
    "Observation?_include=Observation:performer",
    "Observation?_include=Observation:has-member",
    "Observation?_revinclude=Observation:has-member",
    "Observation?_include=*",
    "Observation?_revinclude=*",
    "Observation?_include:iterate=*&_revinclude:iterate=*",
    "Patient?_include=Patient:link",
    "Patient?_include=Patient:link&_revinclude:iterate=Observation:subject",
    "Patient?_revinclude=*",
    "Patient?_include:iterate=*&_revinclude:iterate=*",
]


@pytest.mark.parametrize("url", LEAKS)
async def test_a_patient_gets_nothing_of_others_along(service: FhirService, url: str) -> None:
    await _leaky(service)
    mine = {"Patient/1", "Observation/mine", "Flag/f", "Provenance/p"}

    found = modes(await page(service, reader("patient/*.rs", patient="1"), url))

    assert found["match"] in (["Patient/1"], ["Observation/mine"])
    assert set(found["include"]) <= mine
    # Who may see everything gets more for the same match: there is something to leak.
    same = f"{url}&_id={found['match'][0].partition('/')[2]}"
    assert set(await included(service, reader(*EVERYTHING), same)) - mine


@pytest.mark.parametrize("url", LEAKS)
async def test_types_outside_of_the_scopes_stay_out(service: FhirService, url: str) -> None:
    await _leaky(service)
    ctx = reader("patient/Observation.rs", "patient/Patient.rs", patient="1")

    found = modes(await page(service, ctx, url))

    assert {reference.partition("/")[0] for reference in found["include"]} <= {
        "Observation", "Patient",
    }  # fmt: skip
    assert not {"Patient/2", "Observation/theirs"} & set(found["include"])


async def test_a_reference_takes_the_right_to_read_and_a_referrer_that_to_search(
    service: FhirService,
) -> None:
    await fill(service, patient("1"), observation("a", "Patient/1"))
    forward, back = "Observation?_include=*", "Patient?_revinclude=Observation:subject"

    assert await included(service, reader("system/Observation.s", "system/Patient.r"), forward) == [
        "Patient/1"
    ]
    assert (
        await included(service, reader("system/Observation.s", "system/Patient.s"), forward) == []
    )
    assert await included(service, reader("system/Patient.s", "system/Observation.s"), back) == [
        "Observation/a"
    ]
    assert await included(
        service, reader("system/Patient.s", "system/Observation.r"), back
    ) == []  # fmt: skip


async def test_an_old_version_takes_the_right_to_the_current_one(service: FhirService) -> None:
    await fill(
        service,
        observation("target", "Patient/1"),
        observation("target", "Patient/2"),
        observation("a", "Patient/1", **members("target/_history/1")),
    )
    url = "Observation?_id=a&_include=Observation:has-member"

    assert await included(service, reader("patient/*.rs", patient="1"), url) == []
    assert await included(service, reader(*EVERYTHING), url) == ["Observation/target"]
