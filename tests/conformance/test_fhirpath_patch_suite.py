"""The official FHIRPath Patch cases for R4.

https://github.com/FHIR/fhir-test-cases/tree/master/r4/patch
"""

from __future__ import annotations

import copy
import tarfile
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

import pytest

from fhir_server.interactions.patching import fhirpath_patch
from kernel.errors import FhirError
from tests.conformance import xml_resources

ARCHIVE: Final = (
    Path(__file__).resolve().parents[2] / ".." / "shared/fhir/examples/fhir-test-cases-r4.tar.xz"
)
CASES: Final = 33
"""How many there are; all of them pass."""

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def cases() -> list[ElementTree.Element]:
    if not ARCHIVE.exists():
        pytest.skip("needs the shared test cases beside the checkout")
    with tarfile.open(ARCHIVE) as archive:
        member = next(m for m in archive if m.name.endswith("patch/fhir-patch-tests.xml"))
        content = archive.extractfile(member)
        assert content is not None
        return list(ElementTree.fromstring(content.read()).iter("case"))


def _fault(case: ElementTree.Element) -> str:
    """Return what is wrong with the patched resource, "" if nothing is."""
    before, patch = (_resource(case, name) for name in ("input", "diff"))
    kept = copy.deepcopy((before, patch))
    expected = None if case.find("error") is not None else _resource(case, "output")
    try:
        after = fhirpath_patch.apply(before, patch)
    except FhirError as error:
        return "" if expected is None else f"refused: {error}"
    if (before, patch) != kept:
        return "changed what it was given"
    return "" if _plain(after) == _plain(expected) else f"made {after}"


def _resource(case: ElementTree.Element, name: str) -> dict[str, Any]:
    holder = case.find(name)
    assert holder is not None
    return xml_resources.resource(holder[0])


def _plain(value: Any) -> Any:
    """Return JSON with the white space of narratives gathered: the suite indents them at will."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, str) and value.lstrip().startswith("<"):
        return " ".join(value.replace(">", "> ").replace("<", " <").split())
    return value


def test_every_case_passes(cases: list[ElementTree.Element]) -> None:
    faults = {case.get("name"): fault for case in cases if (fault := _fault(case))}

    assert len(cases) == CASES
    assert faults == {}


def test_the_runner_finds_a_wrong_result(cases: list[ElementTree.Element]) -> None:
    case = copy.deepcopy(next(c for c in cases if c.get("name") == "Replace Primitive"))
    output = case.find("output")
    assert output is not None
    output[0][0].set("value", "1931-01-01")

    assert _fault(case).startswith("made ")


def test_the_runner_finds_a_refusal_that_does_not_come(cases: list[ElementTree.Element]) -> None:
    case = copy.deepcopy(next(c for c in cases if c.get("name") == "Replace Primitive"))
    ElementTree.SubElement(case, "error")

    assert _fault(case).startswith("made ")
