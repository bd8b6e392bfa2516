"""https://hl7.org/fhir/R4/search.html#revinclude"""

from __future__ import annotations

import pytest

from fhir_server.model import EVERYTHING, Context
from fhir_server.service import FhirService
from tests.integration.fhir.linked import (
    BASE,
    CANONICAL,
    fill,
    included,
    patient,
    questionnaire,
    reader,
    response,
)


@pytest.fixture
def ctx() -> Context:
    return reader(*EVERYTHING)


async def test_a_canonical_includes_the_version_that_it_names_or_the_latest(
    service: FhirService, ctx: Context
) -> None:
    await fill(
        service,
        questionnaire("q2", "1.10"),
        questionnaire("q1", "1.9"),
        questionnaire("q3", "2", url="http://acme/Questionnaire/other"),
        response("latest", CANONICAL),
        response("old", f"{CANONICAL}|1.9"),
        response("never", f"{CANONICAL}|7"),
        response("literal", f"{BASE}/Questionnaire/q3"),
    )

    async def follow(id: str) -> list[str]:
        url = f"QuestionnaireResponse?_id={id}&_include=QuestionnaireResponse:questionnaire"
        return await included(service, ctx, url)

    async def back(id: str) -> list[str]:
        url = f"Questionnaire?_id={id}&_revinclude=QuestionnaireResponse:questionnaire"
        return await included(service, ctx, url)

    assert await follow("latest") == ["Questionnaire/q2"]
    assert await follow("old") == ["Questionnaire/q1"]
    assert await follow("never") == []
    assert await follow("literal") == ["Questionnaire/q3"]
    assert await back("q1") == ["QuestionnaireResponse/latest", "QuestionnaireResponse/old"]
    assert await back("q2") == ["QuestionnaireResponse/latest"]


async def test_a_draft_comes_before_what_it_is_a_draft_of(
    service: FhirService, ctx: Context
) -> None:
    versions = ["1.10.0", "1.9", "1.10.0-draft", "1.10.0-rc.1", ""]
    rows = [questionnaire(f"q{n}", version) for n, version in enumerate(versions)]
    del rows[-1]["version"]
    await fill(service, *rows, response("r", CANONICAL))

    url = "QuestionnaireResponse?_include=QuestionnaireResponse:questionnaire"

    assert await included(service, ctx, url) == ["Questionnaire/q0"]


async def test_a_referrer_by_reference_is_none_by_canonical(
    service: FhirService, ctx: Context
) -> None:
    about = {"subject": {"reference": "Patient/1"}}
    await fill(
        service,
        patient("1"),
        questionnaire("q", "2"),
        response("subject", "http://elsewhere/q") | about,
        response("both", f"{CANONICAL}|2") | about,
        response("canonical", CANONICAL),
        response("other", f"{CANONICAL}|1"),
    )
    by_subject = "_revinclude=QuestionnaireResponse:subject:Patient"
    by_canonical = "_revinclude=QuestionnaireResponse:questionnaire:Questionnaire"

    found = await included(
        service, ctx, f"?_type=Patient,Questionnaire&{by_subject}&{by_canonical}"
    )

    assert found == [
        "QuestionnaireResponse/both",
        "QuestionnaireResponse/canonical",
        "QuestionnaireResponse/subject",
    ]
