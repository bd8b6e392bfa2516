"""The examples of US Core and IPS conform to their profiles; with one fault each they do not.

https://hl7.org/fhir/us/core/, https://hl7.org/fhir/uv/ips/
"""

from __future__ import annotations

import copy
import random
import time
from typing import TYPE_CHECKING, Any, Final

import pytest

from fhir_server.conformance import Builtin, Chain, Profiles, snapshot
from fhir_server.packages.catalogue import Catalogue
from tests.conformance.packages import DEFINITIONS, GUIDES, examples, guide, shelf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fhir_server.conformance.rules import Rule
    from tests.conformance.packages import Guide

pytestmark = pytest.mark.shared

Json = dict[str, Any]
Mutant = tuple[str, Json, str]
"""What was done, the damaged resource, and the element that must be named."""

EXPLAINED: Final = {
    # `L/min` is no unit of vital signs, to which this version binds all components.
    ("hl7.fhir.us.core-3.1.1", "Observation-satO2-fiO2.json"): {
        ("code-invalid", "Observation.component[0].value")
    },
    # A fullUrl that disagrees with the id of its resource.
    ("hl7.fhir.us.core-3.1.1", "Bundle-66c8856b-ba11-4876-8aa8-467aad8c11a2.json"): {
        ("value", "Bundle.entry[2].fullUrl")
    },
    ("hl7.fhir.us.core-3.1.1", "Bundle-uscore-mo3.json"): {("value", "Bundle.entry[1].fullUrl")},
    ("hl7.fhir.us.core-6.1.0", "Bundle-66c8856b-ba11-4876-8aa8-467aad8c11a2.json"): {
        ("value", "Bundle.entry[2].fullUrl")
    },
    ("hl7.fhir.us.core-6.1.0", "Bundle-docref-example-2.json"): {
        ("value", "Bundle.entry[2].fullUrl")
    },
}
"""The errors in published examples, and why they are right."""

WRONG: Final = {"coding": [{"system": "http://example.org/none", "code": "none"}]}


@pytest.fixture(scope="module", autouse=True)
def there() -> None:
    if not DEFINITIONS.exists():
        pytest.skip("needs the shared definitions beside the checkout")


@pytest.mark.parametrize("name", GUIDES)
def test_every_example_conforms_but_those_that_are_explained(name: str) -> None:
    judge = guide(name)
    broken = {
        (name, file): {(found.code, found.expression) for found in errors}
        for file, resource in examples(name).items()
        if (errors := judge.errors(resource))
    }

    assert len(examples(name)) > 20
    assert broken == {key: value for key, value in EXPLAINED.items() if key[0] == name}


@pytest.mark.parametrize("name", GUIDES[:3])
def test_every_example_with_one_fault_is_refused_and_the_element_named(name: str) -> None:
    judge = guide(name)
    made = [
        mutant
        for resource in examples(name).values()
        if resource["resourceType"] != "Bundle"
        for mutant in mutants(judge, resource)
    ]
    chosen = random.Random(5).sample(made, 300)
    accepted, elsewhere = [], []

    for what, damaged, place in chosen:
        errors = judge.errors(damaged)
        if not errors:
            accepted.append((what, place))
        elif all(found.expression != place for found in errors):
            elsewhere.append((what, place, errors[0].expression))

    assert {what for what, _, _ in made} >= {"removed", "doubled", "slice", "target"}
    assert accepted == []
    assert len(elsewhere) <= len(chosen) * 0.03, elsewhere


def test_what_loads_is_quick() -> None:
    started = time.process_time()
    definitions = Chain(Catalogue.of([shelf(name) for name in GUIDES]), Builtin())
    profiles = Profiles(definitions)
    patient = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient"

    versions = [profiles.find(f"{patient}|{version}") for version in ("3.1.1", "6.1.0", "7.0.0")]

    assert all(versions)
    assert time.process_time() - started < 10


@pytest.mark.parametrize("name", GUIDES)
def test_every_profile_compiles_and_its_snapshot_can_be_made_again(name: str) -> None:
    """Published snapshots keep some elements of deep types that ours only makes when needed."""
    held = shelf(name)
    definitions = Chain(Catalogue.of([held]), Builtin())
    profiles = Profiles(definitions)
    differ = []
    listed = [item for item in held.items if item.type == "StructureDefinition"]

    for item in listed:
        resource = item.load()
        assert profiles.find(f"{item.url}|{item.version}") is not None, profiles.faults
        if definitions.find("StructureDefinition", resource["baseDefinition"]) is None:
            continue
        made = {row["id"]: row for row in snapshot.generate(resource, definitions, name)}
        for row in resource["snapshot"]["element"]:
            ours = made.get(row["id"])
            if ours is None or (ours["min"], ours["max"]) != (row["min"], row["max"]):
                differ.append(row["id"])
                break

    assert len(listed) > 25
    assert len(differ) <= len(listed) * 0.1, differ


def mutants(judge: Guide, resource: Json) -> Iterator[Mutant]:
    """Yield copies of a resource with one fault each, by what its profiles ask."""
    for url in resource.get("meta", {}).get("profile", []):
        profile = judge.profiles.find(url)
        if profile is not None:
            yield from _within(profile.root, (), resource)


def _within(rule: Rule, steps: tuple[str | int, ...], resource: Json) -> Iterator[Mutant]:
    holder = _at(resource, steps)
    for child in rule.children:
        name = next((key for key in holder if _is_of(child, key)), None)
        if name is None:
            continue
        place = f"{_path(resource, steps)}.{child.stem}"
        for what, value, inside in _wrong(child, holder[name]):
            damaged = copy.deepcopy(resource)
            target = _at(damaged, steps)
            target.pop(f"_{name}", None)
            if value is None:
                del target[name]
            else:
                target[name] = value
            if target:
                yield what, damaged, place + inside
        if child.children:
            first = holder[name][0] if isinstance(holder[name], list) else holder[name]
            further = (*steps, name, 0) if isinstance(holder[name], list) else (*steps, name)
            if isinstance(first, dict):
                yield from _within(child, further, resource)


def _wrong(rule: Rule, value: Any) -> Iterator[tuple[str, Any, str]]:
    """Yield values that break a rule, and what they are at the element: None is no value."""
    several = isinstance(value, list)
    if rule.min:
        yield "removed", None, ""
    if rule.max == 1 and several:
        yield "doubled", [value[0], copy.deepcopy(value[0])], ""
    if rule.value is not None and "coding" in rule.value.value and isinstance(value, dict):
        yield "pattern", WRONG, ""
    if several and any(slice.min and slice.value is not None for slice in rule.slices):
        yield "slice", [WRONG], ""
    targets = [target for type in rule.types for target in type.targets]
    only = all(type.code == "Reference" for type in rule.types)
    if only and targets and all(not target.endswith("/Resource") for target in targets):
        wrong = {"reference": "Basic/1"}
        yield "target", [wrong] if several else wrong, f"{'[0]' * several}.reference"


def _is_of(rule: Rule, name: str) -> bool:
    choice = rule.name.endswith("[x]") and name.startswith(rule.stem)
    return name == rule.stem or (choice and name[len(rule.stem)].isupper())


def _at(resource: Any, steps: tuple[str | int, ...]) -> Any:
    for step in steps:
        resource = resource[step]
    return resource


def _path(resource: Json, steps: tuple[str | int, ...]) -> str:
    written = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return str(resource["resourceType"]) + "".join(written)
