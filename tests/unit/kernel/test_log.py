"""Logs are JSON lines on stderr, and hold no exception text, which may quote a patient's data."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from kernel import log


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Later tests must not log to the stderr that was captured here."""
    handlers = list(logging.root.handlers)
    yield
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers


def test_a_line_is_json_with_its_event_and_values(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("INFO")

    log.get("x").info("message.refused", code="AE")

    said = json.loads(capsys.readouterr().err)
    assert (said["event"], said["code"], said["level"]) == ("message.refused", "AE", "info")


def test_an_exception_is_logged_without_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("INFO")

    try:
        raise ValueError("Anna Rossi, 1984-03-12")
    except ValueError as error:
        log.get("x").error("request.failed", exc_info=error)

    said = capsys.readouterr().err
    assert "Rossi" not in said
    assert json.loads(said)["exception"] == "ValueError"
    assert "test_log.py" in json.loads(said)["frames"][0]


def test_a_line_below_the_level_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("WARNING")

    log.get("x").info("message.accepted")

    assert capsys.readouterr().err == ""
