"""The container files name what is there; they are not built here: that needs a Docker engine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kernel import settings
from medflow.roles.process import SETTINGS

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = (ROOT / "docker" / "compose.yaml").read_text()
DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text()


def unknown_settings(text: str) -> set[str]:
    return set(re.findall(r"MEDFLOW_[A-Z0-9_]+", text)) - settings.names().keys()


@pytest.mark.parametrize("text", [COMPOSE, DOCKERFILE])
def test_every_variable_is_a_setting(text: str) -> None:
    assert unknown_settings(text) == set()


def test_a_variable_that_is_none_is_noticed() -> None:
    assert unknown_settings("MEDFLOW_HTTP__PROT=1") == {"MEDFLOW_HTTP__PROT"}


def test_every_role_has_its_service() -> None:
    assert re.findall(r"command: \[role, (\w+)\]", COMPOSE) == list(SETTINGS)


def test_every_package_is_in_the_image() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "build"}

    assert packages <= set(re.findall(r"^COPY (\w+) \w+$", DOCKERFILE, re.MULTILINE))


def test_the_ports_are_the_defaults() -> None:
    defaults = settings.load({})

    published = [int(port) for port in re.findall(r"127\.0\.0\.1:(\d+):", COMPOSE)]

    assert published == [defaults.http.port, defaults.hl7.port, defaults.dicom.port]
