"""The official R4 examples conform to their types, extensions and declared profiles.

https://hl7.org/fhir/R4/downloads.html
"""

from __future__ import annotations

from typing import Final

import pytest

from fhir_server import fhirpath
from fhir_server.conformance import Builtin, Check, Profiles, Terminology
from tests.conformance import examples

pytestmark = pytest.mark.shared

LONGEST: Final = 60_000  # bytes: the rest is definitions and Bundles of definitions
EXPLAINED: Final = {
    # R4 allows a Device here; the example refers to a DeviceDefinition.
    "devicemetric-example.json": {"DeviceMetric.parent.reference"},
    # Logical models without a base, which sdf-4 asks for.
    "definition.json": {"StructureDefinition"},
    "event.json": {"StructureDefinition"},
    "fivews.json": {"StructureDefinition"},
    "request.json": {"StructureDefinition"},
    # A fullUrl that disagrees with the id of its resource.
    "message-request-link.json": {"Bundle.entry[2].fullUrl"},
    "message-response-link.json": {"Bundle.entry[3].fullUrl"},
}
# `Tab`, `patch` and `Vial` are no codes of this system: they are `TAB`, `PATCH` and none at all.
FOREIGN: Final = "http://terminology.hl7.org/CodeSystem/v3-orderableDrugForm"


def test_official_examples_conform_but_those_that_are_explained() -> None:
    if not examples.EXAMPLES.exists():
        pytest.skip("needs the shared examples beside the checkout")
    profiles, terminology = Profiles(Builtin()), Terminology(Builtin())
    broken: dict[str, set[str]] = {}
    judged = declared = 0

    for number, example in enumerate(examples.read()):
        profiled = "profile" in example.resource.get("meta", {})
        chosen = profiled or number % 3 == 0 or example.name in EXPLAINED
        if not chosen or len(example.raw) > LONGEST:
            continue
        run = Check(profiles, terminology)
        run.whole(fhirpath.root(example.resource))
        judged += 1
        declared += profiled
        errors = [f for f in run.findings if f.severity == "error" and FOREIGN not in f.diagnostics]
        if errors:
            broken[example.name] = {finding.expression for finding in errors}

    assert judged > 800
    assert declared > 50
    assert broken == EXPLAINED
