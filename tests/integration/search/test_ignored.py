"""https://hl7.org/fhir/R4/search.html#errors: parameters without a value, and lenient handling."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest

from fhir_server.service import FhirService
from kernel.errors import BadValue, Invalid
from tests.integration.search.conftest import Ask, Find, caller


def remarks(bundle: dict[str, Any]) -> list[str]:
    return [
        issue["diagnostics"]
        for entry in bundle["entry"]
        if entry["search"]["mode"] == "outcome"
        for issue in entry["resource"]["issue"]
    ]


@pytest.mark.parametrize(
    "empty", ["family=", "_count=", "_filter=", "_has:Observation:patient:code="]
)
async def test_a_parameter_without_a_value_is_ignored_and_named(ask: Ask, empty: str) -> None:
    page = await ask(f"Patient?gender=male&{empty}")

    assert [entry["resource"]["id"] for entry in page["entry"][:-1]] == ["bob"]
    assert remarks(page) == [f"Ignored, for want of a value: `{empty.removesuffix('=')}`."]
    assert page["link"] == [{"relation": "self", "url": "http://h/fhir/Patient?gender=male"}]


@pytest.mark.parametrize(
    "query", ["famly=", "_has:Observation:patent:code=", "family=a,", "gender=,"]
)
async def test_a_name_that_is_unknown_or_a_gap_in_a_list_is_refused(find: Find, query: str) -> None:
    with pytest.raises(Invalid):
        await find(f"Patient?{query}")


async def test_criteria_of_a_write_never_lose_a_parameter(ward: FhirService) -> None:
    patient = {"resourceType": "Patient"}

    with pytest.raises(BadValue, match="`family` has no value"):
        await ward.create(caller(), "Patient", patient, if_none_exist="gender=male&family=")


async def test_the_next_page_of_a_lenient_search_needs_no_leniency(
    ask: Ask, ward: FhirService
) -> None:
    first = await ask("Patient?bogus=1&_sort=_id&_count=2", caller(lenient=True))

    links = {link["relation"]: link["url"] for link in first["link"]}
    page = await ward.search(caller(), "Patient", parse_qsl(urlsplit(links["next"]).query))
    second = msgspec.json.decode(page.body, type=dict[str, Any])

    assert "bogus" not in links["self"]
    assert [entry["resource"]["id"] for entry in second["entry"]] == ["nobody"]


async def test_what_one_of_the_types_lacks_is_no_condition_on_the_others(find: Find) -> None:
    lenient = caller(lenient=True)

    found = await find("/fhir?_type=Patient,List&family=baker", lenient)

    assert sorted(found) == ["bob", "eve", "nobody", "round"]


async def test_what_is_included_is_not_cut_by_elements(ask: Ask) -> None:
    page = await ask("Observation?_id=pulse-bob&_elements=status&_include=Observation:subject")

    match, included = (entry["resource"] for entry in page["entry"])
    assert "subject" not in match
    assert included["name"] == [{"family": "Baker", "given": ["Bob"]}]
