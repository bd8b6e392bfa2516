"""The official R4 examples are valid, and the two walkers agree on what is done to them.

https://hl7.org/fhir/R4/downloads.html
"""

from __future__ import annotations

import copy
import random
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from fhir_server import jsonio
from fhir_server.validation import validate
from fhir_server.validation.checks import check
from fhir_server.validation.explain import explain
from kernel.errors import Invalid

EXAMPLES: Final = (
    Path(__file__).resolve().parents[2] / ".." / "shared/fhir/examples/r4-examples-json.tar.xz"
)
FAULTY: Final = {
    # An id of 83 characters; 64 are allowed.
    "questionnaireresponse-extensions-QuestionnaireResponse-item-subject.json": (
        "value",
        "SearchParameter.id",
    ),
    # R4 allows a Device here; the example refers to a DeviceDefinition.
    "devicemetric-example.json": ("value", "DeviceMetric.parent.reference"),
}
"""The examples that break R4's own rules, and how."""

FAULTY_AT_STRICT: Final = {
    # sdf-4: logical models of patterns, which have no base and are not abstract either.
    "definition.json": ("invariant", "StructureDefinition"),
    "event.json": ("invariant", "StructureDefinition"),
    "fivews.json": ("invariant", "StructureDefinition"),
    "request.json": ("invariant", "StructureDefinition"),
}
"""Those that break an invariant which is asked at the level `strict` only."""

DAMAGES: Final[tuple[Any, ...]] = (None, {}, [], "", " ", -1, 1.5, True, "zzz", {"zzz": 1}, ["zzz"])

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def examples() -> dict[str, dict[str, Any]]:
    if not EXAMPLES.exists():
        pytest.skip("needs the shared examples beside the checkout")
    return dict(_read())


def _read() -> Iterator[tuple[str, dict[str, Any]]]:
    with tarfile.open(EXAMPLES) as archive:
        for member in archive:
            content = archive.extractfile(member)
            if content is not None and member.name.endswith(".json"):
                yield Path(member.name).name, jsonio.decode(content.read())


@pytest.mark.parametrize(("strict", "faulty"), [(False, {}), (True, FAULTY_AT_STRICT)])
def test_every_official_example_is_valid_but_a_few(
    examples: dict[str, dict[str, Any]], strict: bool, faulty: dict[str, tuple[str, ...]]
) -> None:
    refused: dict[str, tuple[str, ...]] = {}

    for name, resource in examples.items():
        try:
            validate(resource, strict=strict)
        except Invalid as error:
            (issue,) = error.issues
            refused[name] = (issue.code, *issue.expression)

    assert len(examples) == 2459
    assert refused == FAULTY | faulty


def test_the_examples_cover_nearly_every_type(examples: dict[str, dict[str, Any]]) -> None:
    types = {resource["resourceType"] for resource in examples.values()}

    assert len(types) >= 140


def test_both_walkers_agree_on_damaged_examples(examples: dict[str, dict[str, Any]]) -> None:
    chance = random.Random(4)
    judged = refused = 0

    for name, resource in sorted(examples.items()):
        type = resource["resourceType"]
        if not check(type)(resource):
            continue  # a rare but legal shape: the explainer has the last word
        for _ in range(3):
            damaged = _damage(resource, chance)
            accepted = check(type)(damaged)

            assert accepted == (not explain(damaged, type)), name

            judged += 1
            refused += not accepted
    assert judged > 7000
    assert refused > judged * 0.8


def _damage(resource: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """Return a copy with one value dropped, replaced, doubled, or moved to a misspelt name."""
    damaged = copy.deepcopy(resource)
    holder, name = chance.choice(list(_places(damaged)))
    match chance.randrange(6):
        case 0:
            del holder[name]
        case 1 if isinstance(holder, dict):
            holder[f"{name}x"] = holder.pop(name)
        case 2:
            holder[name] = [holder[name], holder[name]]
        case _:
            holder[name] = chance.choice(DAMAGES)
    return damaged


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every place in a resource as its holder and its name or index."""
    for name, item in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, name
        if isinstance(item, dict | list):
            yield from _places(item)
