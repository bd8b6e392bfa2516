"""Whatever implements a standard says which part of it (CONTRIBUTING.md)."""

from __future__ import annotations

import pytest

from tests.architecture import rules, tree
from tests.architecture.tree import Source

FOLDERS = [
    "fhir_server/interactions",
    "fhir_server/operations",
    "fhir_server/search/params",
    "hl7_listener/segments",
    "hl7_listener/messages",
    "dicom_node/services",
    "dicom_node/mapping",
]


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_module_cites_its_specification(folder: str) -> None:
    assert rules.uncited(tree.modules(folder)) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("x = 1\n", "`a.py` has no module docstring."),
        ('"""Read a resource."""\n', "`a.py`: its docstring cites no specification."),
    ],
)
def test_a_module_without_a_citation_is_found(text: str, fault: str) -> None:
    assert rules.uncited([Source("a.py", text)]) == [fault]


@pytest.mark.parametrize(
    "citation",
    [
        "https://hl7.org/fhir/R4/http.html#read",
        "HL7 v2.5.1 §3.4.2",
        "DICOM PS3.4 Annex B",
        "RFC 6902",
    ],
)
def test_a_citation_is_recognised(citation: str) -> None:
    assert rules.uncited([Source("a.py", f'"""Title.\n\n{citation}\n"""\n')]) == []
