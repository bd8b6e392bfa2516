"""Parts of the official R4 examples: still valid, and of a summary only what R4 says.

https://hl7.org/fhir/R4/search.html#summary
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from typing import Any, Final

import pytest

from fhir_server import jsonio
from fhir_server.interactions.subset import subset
from fhir_server.validation import faults
from tests.conformance.examples import EXAMPLES, SHARED, Example, read

PACKAGE: Final = SHARED / "definitions/hl7.fhir.r4.core-4.0.1.tgz"
PARTS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("true", ()),
    ("text", ()),
    ("data", ()),
    ("", ("id",)),
    ("", ("name.family", "code.text", "value.code", "item.linkId", "contained", "entry")),
)
INVALID: Final = {
    "questionnaireresponse-extensions-QuestionnaireResponse-item-subject.json",
    "devicemetric-example.json",
}

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    if not EXAMPLES.exists():
        pytest.skip("needs the shared examples beside the checkout")
    return [example for example in read() if example.name not in INVALID]


@pytest.mark.parametrize(("summary", "elements"), PARTS)
def test_every_part_is_valid_and_marked(
    examples: list[Example], summary: str, elements: tuple[str, ...]
) -> None:
    for example in examples:
        part = subset(example.raw, example.type, summary, elements)

        found = jsonio.decode(part)
        # A part cannot keep the rules that speak of what was left out.
        wrong = [issue for issue in faults(found) if issue.code != "invariant"]
        assert wrong == [], example.name
        tags = [tag.get("code") for tag in found["meta"]["tag"]]
        assert tags.count("SUBSETTED") == 1, example.name
        again = subset(part, example.type, summary, elements)
        assert jsonio.decode(again) == found, example.name


def test_a_summary_has_what_the_definitions_mark_so(examples: list[Example]) -> None:
    marked = _marked()
    stays = {path: belongs for path, belongs in marked.items() if belongs}

    for example in examples:
        found = json.loads(subset(example.raw, example.type, "true"))

        wrong = [path for path in _paths(found, example.type, marked) if not marked.get(path, True)]
        assert wrong == [], example.name
        for name in example.resource.keys() - found.keys():
            path, value = f"{example.type}.{name}", example.resource[name]
            # What has children of which none is marked would be left empty.
            is_emptied = any(_paths(value, path, marked)) and not any(_paths(value, path, stays))
            assert is_emptied or not marked.get(path), f"{example.name}: {path}"


def _marked() -> dict[str, bool]:
    """Return whether each element of a resource belongs into its summary, by its path."""
    found = {}
    with tarfile.open(PACKAGE) as archive:
        for member in archive:
            if not member.name.startswith("package/StructureDefinition-"):
                continue
            content = archive.extractfile(member)
            assert content is not None
            definition = json.load(content)
            if definition["kind"] == "resource" and definition.get("derivation") != "constraint":
                for row in definition["snapshot"]["element"][1:]:
                    belongs = row.get("isSummary") or row["min"] or row.get("isModifier")
                    found[row["path"]] = bool(belongs)
    # It stays as long as what stays refers to it.
    return {path: belongs for path, belongs in found.items() if not path.endswith(".contained")}


def _paths(value: Any, path: str, marked: dict[str, bool]) -> Iterator[str]:
    """Yield the paths in a resource and its backbone elements; a choice is not of them."""
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, dict):
            for name, inner in item.items():
                if f"{path}.{name}" in marked:
                    yield f"{path}.{name}"
                    yield from _paths(inner, f"{path}.{name}", marked)
