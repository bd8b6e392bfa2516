"""The command line: every command explains itself and answers in JSON; docs/cli.md."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner

from medflow.cli.root import medflow

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).resolve().parents[3] / "docs" / "cli.md"


def commands(group: click.Group, prefix: str = "medflow") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}", command


ALL = dict(commands(medflow))


@pytest.mark.parametrize("name", ALL)
def test_every_command_explains_itself(name: str) -> None:
    done = CliRunner().invoke(medflow, [*name.split()[1:], "--help"])

    assert done.exit_code == 0
    assert (ALL[name].help or "").split("\n")[0].rstrip()


@pytest.mark.parametrize("name", [name for name in ALL if not ALL[name].hidden])
def test_every_command_is_in_the_documentation(name: str) -> None:
    assert f"`{name}" in PAGE.read_text("utf-8")


@pytest.mark.parametrize("name", [n for n in ALL if n not in {"medflow serve", "medflow role"}])
def test_every_command_that_lists_or_makes_something_has_json(name: str) -> None:
    assert "as_json" in {parameter.name for parameter in ALL[name].params}


@pytest.mark.parametrize(
    "arguments",
    [
        ["nothing"], ["serve", "--only", "wbe"], ["import"], ["import", "not-there.json"],
        ["user", "add", "x"], ["client", "add"], ["hl7", "send", "not-there.hl7"],
        ["role", "none"],
    ],
)  # fmt: skip
def test_wrong_use_is_status_two(arguments: list[str]) -> None:
    assert CliRunner().invoke(medflow, arguments).exit_code == 2


def test_a_misspelt_setting_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDFLOW_HTTP__PROT", "1")

    done = CliRunner().invoke(medflow, ["settings"])

    assert done.exit_code == 1
    assert (
        done.stderr
        == "Unknown settings: `MEDFLOW_HTTP__PROT` (did you mean `MEDFLOW_HTTP__PORT`?).\n"
    )


def test_a_secret_setting_is_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDFLOW_MONGODB_URI", "mongodb://u:hunter2@h/")

    done = CliRunner().invoke(medflow, ["settings", "--json"])

    values = {row["name"]: row["value"] for row in json.loads(done.stdout)}
    assert values["MEDFLOW_MONGODB_URI"] == "(set)"
    assert "hunter2" not in done.output


def test_the_profiles_are_listed_with_their_licences() -> None:
    done = CliRunner().invoke(medflow, ["profiles", "data", "--json"])

    assert "CC0-1.0" in {entry["licence"] for entry in json.loads(done.stdout).values()}
