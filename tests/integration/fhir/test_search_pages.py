"""https://hl7.org/fhir/R4/http.html#search"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest

from fhir_server.model import Context, Origin, Principal
from fhir_server.service import FhirService
from kernel.errors import Invalid, TooLarge


@pytest.fixture
def ctx() -> Context:
    principal = Principal("tester", ("system/*.cruds",))
    return Context(principal, Origin("rest", "tester", "t"), "http://h/fhir")


async def _fill(service: FhirService, ctx: Context, count: int) -> None:
    for number in range(count):
        await service.create(
            ctx,
            "Observation",
            {
                "resourceType": "Observation",
                "status": "final",
                "code": {"coding": [{"system": "http://loinc.org", "code": "1-8"}]},
                # Two of a kind: the key decides between equal dates.
                "effectiveDateTime": f"2020-01-{number // 2 + 1:02d}",
            },
        )


async def _page(service: FhirService, ctx: Context, query: str) -> Any:
    parameters = parse_qsl(query, keep_blank_values=True)
    return msgspec.json.decode((await service.search(ctx, "Observation", parameters)).body)


def _next(page: Any) -> str | None:
    links = {link["relation"]: link["url"] for link in page["link"]}
    return urlsplit(links["next"]).query if "next" in links else None


async def test_pages_hold_each_match_once_newest_first(service: FhirService, ctx: Context) -> None:
    await _fill(service, ctx, 7)
    seen: list[Any] = []

    query: str | None = "code=http://loinc.org|1-8&_count=3"
    sizes = []
    while query is not None:
        page = await _page(service, ctx, query)
        sizes.append(len(page["entry"]))
        seen += [entry["resource"] for entry in page["entry"]]
        query = _next(page)

    assert sizes == [3, 3, 1]
    assert len({resource["id"] for resource in seen}) == 7
    dates = [resource["effectiveDateTime"] for resource in seen]
    assert dates == sorted(dates, reverse=True)


async def test_a_full_last_page_has_no_next(service: FhirService, ctx: Context) -> None:
    await _fill(service, ctx, 4)

    page = await _page(service, ctx, "_count=4")

    assert len(page["entry"]) == 4
    assert _next(page) is None


async def test_a_total_comes_when_asked_for(service: FhirService, ctx: Context) -> None:
    await _fill(service, ctx, 3)

    assert "total" not in await _page(service, ctx, "_count=1")
    assert (await _page(service, ctx, "_count=1&_total=accurate"))["total"] == 3
    counted = await _page(service, ctx, "_summary=count")
    assert counted["total"] == 3
    assert "entry" not in counted
    assert (await _page(service, ctx, "_count=0"))["total"] == 3


async def test_no_match_is_an_empty_searchset(service: FhirService, ctx: Context) -> None:
    page = await _page(service, ctx, "code=none")

    assert page["type"] == "searchset"
    assert "entry" not in page


async def test_entries_say_where_and_why(service: FhirService, ctx: Context) -> None:
    await _fill(service, ctx, 1)

    page = await _page(service, ctx, "code=1-8")

    entry = page["entry"][0]
    assert entry["fullUrl"] == f"http://h/fhir/Observation/{entry['resource']['id']}"
    assert entry["search"] == {"mode": "match"}
    assert page["link"] == [{"relation": "self", "url": "http://h/fhir/Observation?code=1-8"}]


async def test_an_unknown_parameter_is_refused(service: FhirService, ctx: Context) -> None:
    with pytest.raises(Invalid, match="colour"):
        await _page(service, ctx, "colour=red")


async def test_lenient_handling_ignores_and_says_so(service: FhirService, ctx: Context) -> None:
    await _fill(service, ctx, 1)
    lenient = Context(ctx.principal, ctx.origin, ctx.base, lenient=True)

    page = await _page(service, lenient, "colour=red&code=1-8")

    assert [entry["search"]["mode"] for entry in page["entry"]] == ["match", "outcome"]
    assert page["link"][0]["url"] == "http://h/fhir/Observation?code=1-8"


async def test_a_gateway_is_told_when_there_are_too_many(
    service: FhirService, ctx: Context
) -> None:
    await _fill(service, ctx, 3)

    with pytest.raises(TooLarge, match="More than `2`"):
        await service.find(ctx, "Observation", [], limit=2)
