"""R4's own expressions, its invariants and search parameters, on R4's own examples.

https://hl7.org/fhir/R4/downloads.html
"""

from __future__ import annotations

import json
import tarfile
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from fhir_server import fhirpath, jsonio, tables
from fhir_server.fhirpath import Expression, Node
from fhir_server.fhirpath.node import children
from kernel.errors import Invalid

SHARED: Final = Path(__file__).resolve().parents[2] / ".." / "shared/fhir"
DEFINITIONS: Final = SHARED / "definitions/hl7.fhir.r4.core-4.0.1.tgz"
EXAMPLES: Final = SHARED / "examples/r4-examples-json.tar.xz"
EVERY: Final = 6  # how many examples there are for one that is looked at

BROKEN: Final = {
    # `answer is Boolean` asks for the System type, and an answer is a FHIR boolean.
    "que-7",
    # Patterns such as `Event` are logical models without a base; they are not abstract either.
    "sdf-4",
}
"""Invariants that examples of R4 do not keep."""

pytestmark = pytest.mark.shared


@cache
def _definitions() -> tuple[dict[str, list[tuple[str, str]]], list[dict[str, Any]]]:
    """Return error-level invariants as (key, expression) by path, and search parameters."""
    if not DEFINITIONS.exists():
        pytest.skip("needs the shared definitions beside the checkout")
    invariants: dict[str, dict[tuple[str, str], None]] = defaultdict(dict)
    parameters: list[dict[str, Any]] = []
    for name, definition in _files(DEFINITIONS):
        if name.startswith("SearchParameter-") and "expression" in definition:
            parameters.append(definition)
        elif (
            name.startswith("StructureDefinition-") and definition.get("derivation") != "constraint"
        ):
            for element in definition["snapshot"]["element"]:
                for rule in element.get("constraint", []):
                    if rule["severity"] == "error" and "expression" in rule:
                        invariants[element["path"]][rule["key"], rule["expression"]] = None
    return {path: list(rules) for path, rules in invariants.items()}, parameters


def _files(archive: Path, every: int = 1) -> Iterator[tuple[str, dict[str, Any]]]:
    with tarfile.open(archive) as opened:
        members = [member for member in opened if member.name.endswith(".json")]
        for member in members[::every]:
            content = opened.extractfile(member)
            assert content is not None
            name = Path(member.name).name
            if name.startswith((".", "package")):
                continue
            raw = content.read()
            yield name, json.loads(raw) if archive is DEFINITIONS else jsonio.decode(raw)


def test_every_invariant_names_what_is_there() -> None:
    invariants, _ = _definitions()

    for path, rules in invariants.items():
        for _, text in rules:
            expression = fhirpath.compile(text)
            if tables.exists(path):
                fhirpath.check(expression, path)

    assert sum(map(len, invariants.values())) > 700


def test_every_search_parameter_names_what_is_there() -> None:
    _, parameters = _definitions()
    refused: list[str] = []

    for parameter in parameters:
        expression = fhirpath.compile(parameter["expression"])
        try:
            fhirpath.check(expression, *parameter["base"])
        except Invalid:
            refused.append(parameter["id"])

    assert len(parameters) > 1300
    # The example asks a DocumentReference, and says that it is for a Patient.
    assert refused == ["example-extension"]


def test_the_examples_keep_the_invariants() -> None:
    if not EXAMPLES.exists():
        pytest.skip("needs the shared examples beside the checkout")
    invariants, _ = _definitions()
    rules = {
        path: [(key, fhirpath.compile(text)) for key, text in found]
        for path, found in invariants.items()
    }
    broken: set[str] = set()
    judged = 0

    for _, resource in _files(EXAMPLES, EVERY):
        for node, found in _judged(fhirpath.root(resource), rules):
            judged += len(found)
            broken |= {key for key, expression in found if not expression.holds(node)}

    assert judged > 80_000
    assert broken <= BROKEN


def _judged(
    start: Node, rules: dict[str, list[tuple[str, Expression]]]
) -> Iterator[tuple[Node, list[tuple[str, Expression]]]]:
    """Yield each node with the invariants of its path and of its type."""
    todo = [(start, start.type)]
    while todo:
        node, path = todo.pop()
        yield node, [rule for name in {path, node.type} for rule in rules.get(name, ())]
        for child in children(node):
            todo.append((child, f"{node.type}.{child.name}"))


def test_an_invariant_that_is_broken_is_seen() -> None:
    invariants, _ = _definitions()
    (text,) = {text for key, text in invariants["Observation"] if key == "obs-6"}
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "valueString": "x",
    }
    expression = fhirpath.compile(text)

    assert expression.holds(observation)
    assert not expression.holds(observation | {"dataAbsentReason": {"text": "y"}})
