"""`endpoints.json`: whole or not at all, and without secrets; docs/install.md."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from kernel.settings import load
from medflow import endpoints
from medflow.endpoints import Address, document, without_secrets
from medflow.firstrun import Demo
from medflow.greeting import greeting

if TYPE_CHECKING:
    from pathlib import Path

LISTENING = {
    "web": Address("127.0.0.1", 8000),
    "hl7": Address("127.0.0.1", 2575),
    "dicom": Address("127.0.0.1", 11112),
}


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mongodb://u:p@a:1,b:2/?replicaSet=rs0&tls=true", "mongodb://a:1,b:2/?replicaSet=rs0"),
        ("mongodb://127.0.0.1:1/", "mongodb://127.0.0.1:1/"),
        ("redis://:p@host:6379/0", "redis://host:6379/0"),
        ("rediss://u:p%40x@host:6379/0?password=x", "rediss://host:6379/0"),
    ],
)
def test_a_database_url_is_shown_without_secrets(url: str, shown: str) -> None:
    assert without_secrets(url) == shown


@pytest.mark.parametrize(
    ("address", "authority"),
    [
        (Address("127.0.0.1", 80), "127.0.0.1:80"),
        (Address("0.0.0.0", 80), "127.0.0.1:80"),
        (Address("::", 80), "[::1]:80"),
        (Address("fd00::1", 80), "[fd00::1]:80"),
    ],
)
def test_an_address_can_be_called(address: Address, authority: str) -> None:
    assert address.authority == authority


def test_each_language_has_its_endpoint() -> None:
    made = document(load({}), LISTENING, "mongodb://u:p@h/", "redis://h/0")

    assert made["fhir"] == {
        "host": "127.0.0.1", "port": 8000, "url": "http://127.0.0.1:8000/fhir",
    }  # fmt: skip
    assert made["mllp"]["url"] == "mllp://127.0.0.1:2575"
    assert made["dicom"]["ae_title"] == "MEDFLOW"
    assert "u:p" not in json.dumps(made)


def test_a_public_url_is_what_clients_are_told() -> None:
    settings = load({"MEDFLOW_HTTP__PUBLIC_URL": "https://care.example/"})

    made = document(settings, LISTENING, "", "")

    assert made["fhir"]["url"] == "https://care.example/fhir"


def test_a_role_that_does_not_run_has_no_endpoint() -> None:
    assert set(document(load({}), {}, "", "")) == {"pid", "mongodb", "redis"}


def test_what_was_written_is_read_while_the_writer_lives(tmp_path: Path) -> None:
    endpoints.write(tmp_path, {"pid": os.getpid(), "a": 1})

    assert endpoints.read(tmp_path) == {"pid": os.getpid(), "a": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["endpoints.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"pid": 4194305}', '{"pid": "x"}'])
def test_a_file_that_a_killed_server_left_is_no_server(tmp_path: Path, text: str) -> None:
    (tmp_path / "endpoints.json").write_text(text)

    assert endpoints.read(tmp_path) is None


def test_the_greeting_shows_new_accounts_and_how_to_use_them() -> None:
    made = document(load({}), LISTENING, "", "")

    text = greeting(made, "builtin", Demo("admin", "pw", "abc", "s3cret"))

    assert "password pw" in text
    assert "curl -u abc:s3cret -d grant_type=client_credentials" in text
    assert "http://127.0.0.1:8000/auth/token" in text


def test_a_later_start_says_how_to_get_a_token_too() -> None:
    text = greeting(document(load({}), LISTENING, "", ""), "builtin", None)

    assert "curl -u CLIENT_ID:SECRET" in text
    assert "client add --name NAME" in text


def test_the_greeting_names_three_things_to_try() -> None:
    text = greeting(document(load({}), LISTENING, "", ""), "open", None)

    for command in ("curl http", "medflow hl7 send", "storescu -aec MEDFLOW"):
        assert command in text
    assert "secret" not in text
