"""The validator of HL7 and ours agree on what is valid, where both look.

https://confluence.hl7.org/display/FHIR/Using+the+FHIR+Validator
"""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from fhir_server.validation import faults
from tests.conformance.examples import EXAMPLES, SHARED, Example, read
from tests.conformance.mutants import mutants

JAVA: Final = shutil.which("java")
JARS: Final = Path(__file__).resolve().parents[2] / "build/hl7-validator/jars"
CORE: Final = SHARED / "definitions/hl7.fhir.r4.core-4.0.1.tgz"
STUBS: Final = (
    "hl7.fhir.xver-extensions#0.0.12",
    "hl7.terminology#5.3.0",
    "hl7.terminology.r4#5.0.0",
    "hl7.fhir.uv.extensions#1.0.0",
    "hl7.fhir.uv.extensions.r4#1.0.0",
)
"""Packages that the validator wants to load; nothing is needed of them here."""

EACH: Final = 4
ORIGINALS: Final = 120

UNREADABLE: Final = frozenset({"null_entry"})
"""Damage at which the HL7 validator ends instead of answering."""

NOT_JUDGED: Final = {
    "bad_base64": "it decodes Base64 in some elements only",
    "empty_array": "it passes some empty arrays, which the JSON format forbids",
    "only_an_id": "it does not ask ele-1 of an element that has an id",
    "wrong_target": "it looks at the target of a reference if it can resolve it",
}
"""Damage that the HL7 validator often passes, against R4's own words."""

BEYOND: Final = re.compile(
    "|".join(
        (
            "Canonical URLs must be absolute",  # R4's own examples have relative ones
            "URL value '.*' does not resolve",
            "is not valid in the code system",  # terminology: a matter of profiles here
            "Unknown Code",
            "Type mismatch - SearchParameter",
            "OIDs must be valid",
            "No CQL Libraries found",
        )
    )
)
"""What the HL7 validator adds to R4's structure and invariants, of examples as they are."""

pytestmark = [
    pytest.mark.shared,
    pytest.mark.timeout(900),
    pytest.mark.skipif(JAVA is None, reason="needs Java 17; then run `make oracle`"),
    pytest.mark.skipif(not JARS.is_dir(), reason="needs the validator of HL7: run `make oracle`"),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the packages that the validator would fetch."""
    if not (CORE.exists() and EXAMPLES.exists()):
        pytest.skip("needs the shared definitions and examples beside the checkout")
    made = tmp_path_factory.mktemp("home")
    packages = made / ".fhir/packages"
    with tarfile.open(CORE) as archive:
        archive.extractall(packages / "hl7.fhir.r4.core#4.0.1", filter="data")
    for key in STUBS:
        name, _, version = key.partition("#")
        folder = packages / key / "package"
        folder.mkdir(parents=True)
        described = {"name": name, "version": version, "fhirVersions": ["4.0.1"]}
        (folder / "package.json").write_text(json.dumps({**described, "dependencies": {}}))
        (folder / ".index.json").write_text('{"index-version":1,"files":[]}')
    return made


def _judged(home: Path, folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield each file's name with the errors that the HL7 validator finds in it."""
    out = folder.parent / "out.json"
    command = [JAVA or "java", f"-Duser.home={home}", "-cp", f"{JARS}/*"]
    command += ["org.hl7.fhir.validation.ValidatorCli", "-version", "4.0.1", "-tx", "n/a"]
    command += ["-allow-example-urls", "true", "-output", str(out)]
    files = [str(file) for file in sorted(folder.iterdir())]
    subprocess.run([*command, *files], check=False, capture_output=True, timeout=850)
    assert out.exists(), "the validator of HL7 did not finish"
    for entry in json.loads(out.read_bytes())["entry"]:
        yield (
            _name(entry["resource"]),
            [
                issue["details"]["text"]
                for issue in entry["resource"]["issue"]
                if issue["severity"] in {"error", "fatal"}
            ],
        )


def _name(outcome: dict[str, Any]) -> str:
    told = [e["valueString"] for e in outcome["extension"] if "valueString" in e]
    return Path(told[0]).name


def _write(folder: Path, examples: list[Example]) -> dict[str, bool]:
    """Write mutants and originals as files, and return which of them we refuse."""
    refused: dict[str, bool] = {}
    for number, mutant in enumerate(mutants(examples, EACH)):
        if mutant.kind not in UNREADABLE:
            name = f"{mutant.kind}-{number}.json"
            (folder / name).write_bytes(mutant.raw)
            refused[name] = bool(faults(mutant.resource, strict=True))
    small = [example for example in examples if len(example.raw) < 20_000]
    for example in random.Random(4).sample(small, ORIGINALS):
        (folder / f"original-{example.name}").write_bytes(example.raw)
        refused[f"original-{example.name}"] = bool(faults(example.resource, strict=True))
    return refused


def test_both_say_the_same_of_mutants_and_originals(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    refused = _write(folder, read())

    compared = 0
    disagreed: list[tuple[str, list[str]]] = []
    for name, errors in _judged(home, folder):
        kind = name.partition("-")[0]
        if kind in NOT_JUDGED:
            continue
        counted = [e for e in errors if kind != "original" or not BEYOND.search(e)]
        compared += 1
        if bool(counted) != refused[name]:
            disagreed.append((name, counted[:2]))

    assert compared >= 240
    assert len(disagreed) <= compared * 0.01, disagreed
