"""The compiled definitions are what the scripts make of the original package, and nothing else.

https://hl7.org/fhir/R4/downloads.html
"""

from __future__ import annotations

import hashlib
import json
import lzma
from pathlib import Path
from typing import Final

import pytest

from tests.conformance.packages import DEFINITIONS
from tools import compile_structures, compile_terminology, manifest

PACKAGE: Final = DEFINITIONS / "hl7.fhir.r4.core-4.0.1.tgz"
MADE: Final = ("structures", "codesystems", "valuesets")
PLACE: Final = manifest.PROFILES / "r4"


@pytest.mark.parametrize("name", MADE)
def test_each_file_has_its_record(name: str) -> None:
    recorded = json.loads((manifest.PROFILES / "manifest.json").read_bytes())
    content = (PLACE / f"{name}.jsonl.xz").read_bytes()

    entry = recorded[f"r4/{name}.jsonl.xz"]

    assert entry["sha256"] == hashlib.sha256(content).hexdigest()
    assert (entry["package"], entry["version"]) == ("hl7.fhir.r4.core", "4.0.1")


@pytest.mark.shared
def test_the_scripts_make_the_same_again(tmp_path: Path) -> None:
    if not PACKAGE.exists():
        pytest.skip("needs the shared definitions beside the checkout")

    compile_structures.main(PACKAGE, tmp_path / "structures.jsonl.xz")
    compile_terminology.main(PACKAGE, tmp_path)

    for name in MADE:
        again = lzma.decompress((tmp_path / f"{name}.jsonl.xz").read_bytes())
        assert again == lzma.decompress((PLACE / f"{name}.jsonl.xz").read_bytes())


@pytest.mark.parametrize(
    ("name", "count"), [("structures", 655), ("codesystems", 1062), ("valuesets", 1316)]
)
def test_every_definition_of_r4_is_there(name: str, count: int) -> None:
    lines = lzma.decompress((PLACE / f"{name}.jsonl.xz").read_bytes()).splitlines()

    assert len(lines) == count
