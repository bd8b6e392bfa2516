"""The official R4 examples come back as they were, and their search parameters find them.

https://hl7.org/fhir/R4/downloads.html
https://hl7.org/fhir/R4/searchparameter-registry.html

What to search for is read from the examples with the original FHIRPath expressions, not with the
tables that the server indexes with.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest
import pytest_asyncio

from fhir_server.model import EVERYTHING, Context, Origin, Principal
from fhir_server.service import FhirService
from fhir_server.store import mongo
from fhir_server.store.store import Store
from kernel.errors import FhirError
from kernel.settings import Fhir
from tests.conformance import searched
from tests.conformance.examples import EXAMPLES, SHARED, Example, read
from tests.conformance.searched import Criterion, Definition

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence

PACKAGE: Final = SHARED / "definitions/hl7.fhir.r4.core-4.0.1.tgz"
CTX: Final = Context(Principal("tester", EVERYTHING), Origin("rest", "tester", "test"))
AT_ONCE: Final = 32

LEFT_OUT: Final = {
    # An id of 83 characters, and a Device where R4 wants one: not valid.
    "questionnaireresponse-extensions-QuestionnaireResponse-item-subject.json",
    "devicemetric-example.json",
}
"""Examples that the server refuses; see test_official_examples_validate.py."""

EXPLAINED: Final = {
    "Resource-lastUpdated": "the time of the last update is the server's to say",
}
"""Parameters, by their ids, whose expressions say more than can be searched for, and why."""

pytestmark = [pytest.mark.shared, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    """The valid examples that have an id; of those with one id the last."""
    if not EXAMPLES.exists():
        pytest.skip("needs the shared examples beside the checkout")
    found = {(e.type, e.id): e for e in read() if e.id and e.name not in LEFT_OUT}
    return list(found.values())


@pytest_asyncio.fixture(scope="module")
async def service(mongodb_uri: str, examples: list[Example]) -> AsyncIterator[FhirService]:
    """A server that holds all examples, in a database of its own."""
    made = mongo.connect(mongodb_uri, "medflow_examples")
    await mongo.prepare(made)
    door = FhirService(Store(made), Fhir())
    await at_once(lambda e: door.update(CTX, e.type, e.id, e.raw), examples)
    yield door
    await made.client.drop_database("medflow_examples")
    await made.client.close()


def meaning(body: bytes | None) -> dict[str, Any]:
    """Return a resource without what the server sets; numbers as they were written."""
    found: dict[str, Any] = json.loads(body or b"null", parse_float=str, parse_int=str)
    meta = found.get("meta", {})
    meta.pop("versionId", None)
    meta.pop("lastUpdated", None)
    return {name: value for name, value in found.items() if name != "meta" or value}


async def at_once(work: Callable[[Any], Awaitable[Any]], items: Sequence[Any]) -> list[Any]:
    """Return what is made of each item, so many at once that the server can join them."""
    made: list[Any] = []
    for start in range(0, len(items), AT_ONCE):
        made += await asyncio.gather(*(work(item) for item in items[start : start + AT_ONCE]))
    return made


async def test_every_example_comes_back_as_it_was(
    service: FhirService, examples: list[Example]
) -> None:
    versions = await at_once(lambda e: service.read(CTX, e.type, e.id), examples)

    assert len(examples) > 2440
    for example, version in zip(examples, versions, strict=True):
        assert meaning(version.body) == meaning(example.raw), example.name


@dataclass(frozen=True, slots=True)
class Search:
    """One criterion on a type, and the ids of the examples that it must find."""

    type: str
    criterion: Criterion
    ids: tuple[str, ...]


def searches(examples: Iterable[Example]) -> list[Search]:
    """Return searches such that each parameter is asked for each example that has a value.

    Those that find most come first; one that would ask nothing new is left out, but each way to
    ask (a modifier, a code with and without its system) is kept.
    """
    known = searched.definitions(PACKAGE)
    found: dict[tuple[str, str, str], tuple[Criterion, dict[str, None]]] = {}
    for example in examples:
        for criterion in searched.criteria(example, known):
            key = (example.type, criterion.name, criterion.value)
            found.setdefault(key, (criterion, {}))[1][example.id] = None
    covered: set[tuple[str, str, str, str]] = set()
    chosen = []
    for (type, name, _), (criterion, ids) in sorted(
        found.items(), key=lambda item: -len(item[1][1])
    ):
        ways = {(type, name, form(criterion), id) for id in ids}
        if ways - covered:
            covered |= ways
            chosen.append(Search(type, criterion, tuple(ids)))
    return chosen


def form(criterion: Criterion) -> str:
    """Return how a value is written: `system|code` and `code` are two ways to ask."""
    return "|" * criterion.value.count("|") + criterion.value[:2] * (criterion.value[:2] == "ge")


async def missed(service: FhirService, search: Search) -> str:
    """Return how a search does not find what it must, "" if it does."""
    criterion = search.criterion
    said = f"{criterion.definition.id}: {search.type}?{criterion.name}={criterion.value}"
    parameters = [(criterion.name, criterion.value), ("_summary", "count")]
    wanted = [("_id", ",".join(search.ids))]
    try:
        pages = [await service.search(CTX, search.type, parameters + wanted)]
        if criterion.definition.kind == "token":  # exactly these, and no other
            pages.append(await service.search(CTX, search.type, parameters))
    except FhirError as error:
        return f"{said}: {error}"
    totals = [json.loads(page.body)["total"] for page in pages]
    if all(total == len(search.ids) for total in totals):
        return ""
    return f"{said} found {totals}, not {len(search.ids)}: {search.ids[:5]}"


async def test_every_value_finds_its_examples(
    service: FhirService, examples: list[Example]
) -> None:
    asked = searches(examples)

    found = [said for said in await at_once(lambda one: missed(service, one), asked) if said]

    unexplained = [said for said in found if said.partition(":")[0] not in EXPLAINED]
    assert len(asked) > 5000
    assert not unexplained, "\n".join(unexplained)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("gender", "female", "found [0, "),
        ("gender", "nobody", "found [0, 0]"),
        ("colour", "blue", "has no search parameter"),
    ],
)
async def test_what_is_not_found_is_told(
    service: FhirService, name: str, value: str, says: str
) -> None:
    definition = Definition("Patient-gender", name, "token", "Patient.gender")

    said = await missed(service, Search("Patient", Criterion(definition, name, value), ("f001",)))

    assert said.startswith(f"Patient-gender: Patient?{name}={value}")
    assert says in said
