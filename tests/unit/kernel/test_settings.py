"""Settings are checked at start, and a mistake is named (docs/settings.md)."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from kernel.settings import load, names


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = load({})

    assert (settings.http.port, settings.hl7.port, settings.dicom.port) == (8000, 2575, 11112)
    assert settings.data_dir == Path("data")
    assert settings.auth.mode == "builtin"


def test_a_variable_sets_a_nested_value() -> None:
    assert load({"MEDFLOW_HTTP__PORT": "0"}).http.port == 0


def test_other_peoples_variables_are_left_alone() -> None:
    assert load({"PATH": "/bin", "MEDFLOWX": "1"}) == load({})


def test_a_misspelt_variable_is_refused_with_the_nearest_right_name() -> None:
    with pytest.raises(
        ValueError, match=r"`MEDFLOW_HTTP__PROT` \(did you mean `MEDFLOW_HTTP__PORT`\?\)"
    ):
        load({"MEDFLOW_HTTP__PROT": "1"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MEDFLOW_HTTP__PORT", "65536"),
        ("MEDFLOW_HTTP__PORT", "eighty"),
        ("MEDFLOW_HL7__FRAME_TIMEOUT_S", "0"),
        ("MEDFLOW_AUTH__MODE", "none"),
    ],
)
def test_a_bad_value_is_refused_by_the_name_of_its_variable(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"`{name}`"):
        load({name: value})


def test_a_refusal_does_not_repeat_a_secret() -> None:
    with pytest.raises(ValueError, match="MEDFLOW_HTTP__PORT") as refused:
        load({"MEDFLOW_HTTP__PORT": "x", "MEDFLOW_MONGODB_URI": "mongodb://u:hunter2@h/"})

    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("part", ["HTTP", "HL7", "DICOM"])
def test_the_open_mode_is_for_loopback_only(part: str) -> None:
    with pytest.raises(ValueError, match=f"`MEDFLOW_{part}__HOST` is `0.0.0.0`"):
        load({"MEDFLOW_AUTH__MODE": "open", f"MEDFLOW_{part}__HOST": "0.0.0.0"})


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        load({}).http.port = 1  # type: ignore[misc]  # the point of the test


def test_a_secret_is_not_shown() -> None:
    assert "hunter2" not in repr(load({"MEDFLOW_MONGODB_URI": "mongodb://u:hunter2@h/"}))


def test_every_name_has_the_prefix() -> None:
    assert all(name.startswith("MEDFLOW_") for name in names())
