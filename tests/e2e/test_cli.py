"""Commands beside a running server, and without one; docs/cli.md."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.e2e import running

if TYPE_CHECKING:
    from pathlib import Path

MESSAGE = (
    b"MSH|^~\\&|A|B|C|D|20240101||ADT^A01^ADT_A01|e2e-cli|P|2.5.1\nEVN||20240101\n"
    b"PID|||78^^^B^MR||Doe^Jo\nPV1||I\n"
)


def test_a_message_is_sent_to_the_server_that_runs_here(running_server: running.Server) -> None:
    sent = running.medflow(running_server.data_dir, "hl7", "send", "-", "--json", given=MESSAGE)
    kept = running.medflow(running_server.data_dir, "hl7", "messages", "--json")

    assert [answer["code"] for answer in json.loads(sent.stdout)] == ["AA"]
    assert "e2e-cli" in {message["control"] for message in json.loads(kept.stdout)}


def test_a_refused_message_is_status_one(running_server: running.Server) -> None:
    sent = running.medflow(running_server.data_dir, "hl7", "send", "-", given=b"MSH|^~\\&|x\n")

    assert sent.returncode == 1
    assert b"were not accepted" in sent.stderr


def test_the_node_that_runs_here_answers_an_echo(running_server: running.Server) -> None:
    done = running.medflow(running_server.data_dir, "dicom", "echo", "--json")

    assert json.loads(done.stdout) == {"status": 0}


def test_check_is_content_beside_a_running_server(running_server: running.Server) -> None:
    done = running.medflow(running_server.data_dir, "check", "--json")

    assert done.returncode == 0
    assert {finding["ok"] for finding in json.loads(done.stdout)} == {True}


def test_a_client_that_was_added_is_listed_without_its_secret(tmp_path: Path) -> None:
    added = running.medflow(
        tmp_path, "client", "add", "--name", "x", "--scope", "system/*.rs", "--json"
    )
    listed = running.medflow(tmp_path, "client", "list", "--json")

    made = json.loads(added.stdout)
    assert [client["client_id"] for client in json.loads(listed.stdout)] == [made["client_id"]]
    assert made["client_secret"] not in listed.stdout.decode()
    assert not (tmp_path / "endpoints.json").exists()


def test_a_name_that_is_taken_is_one_sentence(running_server: running.Server) -> None:
    command = ("user", "add", "twice", "--role", "nurse", "--password-stdin")

    first, again = (
        running.medflow(running_server.data_dir, *command, given=b"secret\n") for _ in range(2)
    )

    assert first.returncode == 0
    assert (again.returncode, again.stderr) == (1, b"A user named `twice` exists already.\n")


def test_an_import_that_fails_in_part_is_status_one(
    running_server: running.Server, tmp_path: Path
) -> None:
    (tmp_path / "a.json").write_text('{"resourceType": "Patient", "id": "cli"}')
    (tmp_path / "b.json").write_text("{")

    done = running.medflow(running_server.data_dir, "import", str(tmp_path), "--json")

    report = json.loads(done.stdout)
    assert (done.returncode, report["resources"], len(report["failed"])) == (1, 1, 1)
    assert b"1 of 2 files" in done.stderr


def test_nobody_listening_is_one_sentence(tmp_path: Path) -> None:
    done = running.medflow(
        tmp_path, "hl7", "send", "-", "--host", "127.0.0.1", "--port", "1", given=MESSAGE
    )

    assert (done.returncode, b"Traceback" in done.stderr) == (1, False)
