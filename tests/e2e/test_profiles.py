"""`medflow profiles` beside a running server: what is added is there at once; docs/profiles.md."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.e2e import running
from tests.tgz import CANONICAL, package_file, profile

if TYPE_CHECKING:
    from pathlib import Path

URL = f"{CANONICAL}/StructureDefinition/e2e"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "e2e.guide-1.0.0.tgz"
    made.write_bytes(package_file(profile("e2e"), name="e2e.guide"))
    return made


def profiles(server: running.Server, *arguments: str) -> tuple[int, Any, str]:
    """Run the command with `--json`; return its status, document and words."""
    done = running.medflow(server.data_dir, "profiles", *arguments, "--json")
    return done.returncode, json.loads(done.stdout or b"null"), done.stderr.decode()


def supported(server: running.Server) -> list[str]:
    statement = httpx.get(f"{server.endpoints['fhir']['url']}/metadata").json()
    [row] = [one for one in statement["rest"][0]["resource"] if one["type"] == "Patient"]
    found: list[str] = row.get("supportedProfile", [])
    return found


def test_a_package_comes_and_goes_while_the_server_runs(
    running_server: running.Server, file: Path
) -> None:
    status, added, _ = profiles(running_server, "add", str(file))
    running.until(lambda: URL in supported(running_server), 5)
    _, listed, _ = profiles(running_server, "list")
    _, shown, _ = profiles(running_server, "show", "e2e.guide#1.0.0")
    again, unchanged, _ = profiles(running_server, "add", str(file))
    gone, _, _ = profiles(running_server, "remove", "e2e.guide#1.0.0")
    running.until(lambda: URL not in supported(running_server), 5)

    assert (status, again, gone) == (0, 0, 0)
    assert added["packages"] == [
        {
            "package": "e2e.guide#1.0.0",
            "changed": True,
            "definitions": {"StructureDefinition": 1},
            "leftOut": {},
        }
    ]
    assert unchanged["packages"][0]["changed"] is False
    assert "e2e.guide#1.0.0" in {row["package"] for row in listed}
    assert [row["url"] for row in shown["definitions"]] == [URL]


def test_what_is_needed_and_nowhere_is_told(running_server: running.Server, tmp_path: Path) -> None:
    file = tmp_path / "needing.tgz"
    file.write_bytes(package_file(name="e2e.needing", dependencies={"nowhere": "1.0.0"}))

    refused, _, why = profiles(running_server, "add", str(file), "--strict")
    status, added, words = profiles(running_server, "add", str(file))
    profiles(running_server, "remove", "e2e.needing#1.0.0")

    assert (refused, status) == (1, 0)
    assert "`nowhere#1.0.0`, which `e2e.needing#1.0.0` needs, is not loaded" in why
    assert [one["package"] for one in added["missing"]] == ["nowhere#1.0.0"]
    assert "nowhere#1.0.0" in words


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("nowhere.tgz", "There is no file `nowhere.tgz`."),
        ("nowhere.guide#1.0.0", "nowhere to be had"),
        ("no name", "expected `name#version`"),
    ],
)
def test_what_cannot_be_had_is_one_sentence(
    running_server: running.Server, given: str, said: str
) -> None:
    status, _, why = profiles(running_server, "add", given)

    assert status == 1
    assert said in why
    assert "Traceback" not in why


def test_what_is_no_package_is_one_sentence(running_server: running.Server, tmp_path: Path) -> None:
    file = tmp_path / "broken.tgz"
    file.write_bytes(package_file()[:100])

    status, _, why = profiles(running_server, "add", str(file))

    assert (status, why.count("\n")) == (1, 1)
    assert "gzip" in why


def test_what_is_left_out_is_status_one(running_server: running.Server, tmp_path: Path) -> None:
    file = tmp_path / "partly.tgz"
    file.write_bytes(package_file(profile("e2e-a"), profile("b", kind="x"), name="e2e.partly"))

    status, added, why = profiles(running_server, "add", str(file))
    profiles(running_server, "remove", "e2e.partly#1.0.0")

    assert status == 1
    assert list(added["packages"][0]["leftOut"]) == ["StructureDefinition-1.json"]
    assert "StructureDefinition-1.json" in why


def test_the_data_of_the_standards_is_listed(running_server: running.Server) -> None:
    _, manifest, _ = profiles(running_server, "data")

    assert manifest["r4/elements.json"]["version"] == "4.0.1"
