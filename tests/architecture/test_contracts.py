"""The import contracts of pyproject.toml hold, and can fail (docs/index.md, "The house")."""

from __future__ import annotations

import inspect
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fhir_server.service import FhirService
from tests.architecture import tree

# Clients and gateways are written against these names: adding one is a decision, not an accident.
DOOR = {
    "operation",
    "read", "vread", "create", "update", "conditional_update", "delete", "history", "search",
    "find", "bundle", "capabilities", "keep", "message", "messages", "index_progress",
    "type_history", "system_history", "parameters",
    "start_job", "job", "job_answer", "cancel_job", "close",
    "patch", "conditional_patch", "conditional_delete", "delete_history", "purge",
}  # fmt: skip


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_the_import_contracts_hold() -> None:
    done = lint(tree.ROOT)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("kernel/planted.py", "import fhir_server.model", "floors"),
        ("hl7_listener/planted.py", "import dicom_node", "floors"),
        ("fhir_server/search/planted.py", "import fhir_server.store", "engine"),
        ("fhir_server/planted/__init__.py", "", "engine"),
        ("ai_adapters/planted.py", "import fhir_server.store", "door"),
        ("fhir_server/interactions/planted.py", "import pymongo", "driver"),
        ("fhir_server/interactions/planted.py", "import fastapi", "web"),
        ("hl7_listener/planted.py", "import pydicom", "dicom"),
        ("ai_adapters/planted.py", "import torch", "models"),
    ],
)
def test_a_planted_violation_breaks_its_contract(
    tmp_path: Path, file: str, line: str, contract: str
) -> None:
    for package in tree.PRODUCT:
        shutil.copytree(tree.ROOT / package, tmp_path / package, ignore=_only_python)
    shutil.copy(tree.ROOT / "pyproject.toml", tmp_path)
    planted = tmp_path / file
    planted.parent.mkdir(exist_ok=True)
    planted.write_text(line + "\n", encoding="utf-8")

    done = lint(tmp_path)

    assert done.returncode != 0
    assert "planted" in done.stdout
    assert contract in done.stdout.partition("Broken contracts")[2]


def test_the_public_names_of_the_door_are_pinned() -> None:
    public = {name for name, _ in inspect.getmembers(FhirService) if not name.startswith("_")}

    assert public == DOOR


def _only_python(folder: str, names: list[str]) -> list[str]:
    return [
        name for name in names if not name.endswith(".py") and not (Path(folder) / name).is_dir()
    ]
