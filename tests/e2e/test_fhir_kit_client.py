"""fhir-kit-client, a client in JavaScript; the cases are in `js/cases.mjs`.

https://github.com/Vermonster/fhir-kit-client
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import Fhir

FOLDER: Final = Path(__file__).parent / "js"
NODE: Final = shutil.which("node")
CASES: Final = (
    "a resource is created, read, updated and deleted",
    "a patch changes a part",
    "a conditional create is done once",
    "a conditional update is of the one match",
    "an update of an older version is refused",
    "several parameters narrow a search",
    "a compartment is searched",
    "paging brings each match once",
    "included resources come along",
    "a reference is resolved",
    "a transaction is carried out, a batch in its parts",
    "histories are read",
    "a refusal is an error with its OperationOutcome",
    "capabilities and where to get a token are read",
    "an operation is called",
)

pytestmark = [
    pytest.mark.skipif(NODE is None, reason="needs Node.js 20; then run `make clients`"),
    pytest.mark.skipif(
        not (FOLDER / "node_modules" / "fhir-kit-client").is_dir(),
        reason="needs fhir-kit-client: run `make clients`",
    ),
]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [NODE or "node", "cases.mjs", *arguments],
        cwd=FOLDER,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("mode", ["open", "builtin"])
@pytest.mark.parametrize("case", CASES)
def test_fhir_kit_client(case: str, mode: str, request: pytest.FixtureRequest) -> None:
    server: Fhir = request.getfixturevalue("fhir" if mode == "open" else "guarded")

    ended = run(server.url, server.token, case)

    assert ended.returncode == 0, ended.stderr


def test_no_case_is_left_out() -> None:
    assert tuple(json.loads(run("http://unused", "").stdout)) == CASES


def test_a_case_that_does_not_hold_fails(fhir: Fhir) -> None:
    ended = run(f"{fhir.url}/nowhere", "", CASES[0])

    assert ended.returncode == 1
