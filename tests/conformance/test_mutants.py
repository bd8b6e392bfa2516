"""Official examples with one fault each are refused, and the right element is named.

https://hl7.org/fhir/R4/validation.html
"""

from __future__ import annotations

from collections import Counter

import pytest

from fhir_server.validation import faults
from tests.conformance.examples import EXAMPLES, Example, read
from tests.conformance.mutants import DAMAGES, Mutant, mutants

EACH = 25
NAMED = 1.0  # the part whose right element is named; it only goes up

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    if not EXAMPLES.exists():
        pytest.skip("needs the shared examples beside the checkout")
    return read()


@pytest.fixture(scope="module")
def damaged(examples: list[Example]) -> list[Mutant]:
    return mutants(examples, EACH)


def test_there_are_enough_mutants_of_every_kind(damaged: list[Mutant]) -> None:
    kinds = Counter(mutant.kind for mutant in damaged)
    types = {mutant.resource["resourceType"] for mutant in damaged}

    assert len(damaged) >= 980
    assert set(kinds) == set(DAMAGES)
    assert min(kinds.values()) >= 20
    assert len(types) >= 80


def test_every_mutant_is_refused_and_the_right_element_is_named(damaged: list[Mutant]) -> None:
    accepted: list[str] = []
    elsewhere: list[str] = []

    for mutant in damaged:
        found = faults(mutant.resource, strict=True)
        if not found:
            accepted.append(f"{mutant.kind} of {mutant.example} at {mutant.path}")
        elif mutant.path not in {path for issue in found for path in issue.expression}:
            elsewhere.append(f"{mutant.kind} of {mutant.example} at {mutant.path}")

    assert accepted == []
    assert len(elsewhere) <= len(damaged) * (1 - NAMED), elsewhere


def test_the_examples_themselves_are_not_refused_there(
    examples: list[Example], damaged: list[Mutant]
) -> None:
    """Else a mutant would prove nothing."""
    originals = {example.name: example for example in examples}

    for mutant in damaged:
        found = faults(originals[mutant.example].resource, strict=True)
        assert mutant.path not in {path for issue in found for path in issue.expression}
