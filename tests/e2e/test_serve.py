"""`medflow serve`: starts, watches, stops and comes back; docs/install.md."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from medflow.embedded.process import free_port
from tests.e2e import running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def own(tmp_path: Path) -> Iterator[running.Server]:
    """A server that a test may harm."""
    server = running.start(tmp_path)
    yield server
    server.stop()


def health(server: running.Server) -> dict[str, Any]:
    answer = httpx.get(f"{server.endpoints['http']['url']}/health/detailed", timeout=5)
    found: dict[str, Any] = answer.json()
    return found


def is_well(server: running.Server) -> bool:
    return bool(health(server)["status"] == "pass")


def pid_of(server: running.Server, mark: str) -> int:
    """Return the id of the one process below the server with `mark` on its command line."""
    [found] = [pid for pid, line in running.tree(server.process.pid).items() if mark in line]
    return found


def test_every_listener_accepts_once_the_endpoints_are_written(server: dict[str, Any]) -> None:
    for key in ("http", "mllp", "dicom"):
        with socket.create_connection((server[key]["host"], server[key]["port"]), 5):
            pass

    assert httpx.get(f"{server['http']['url']}/health").json() == {"status": "pass", "missing": []}
    assert httpx.get(f"{server['fhir']['url']}/metadata").status_code == 200


def test_the_detailed_health_names_every_role_and_no_database_address(
    running_server: running.Server,
) -> None:
    found = running.until(lambda: (h := health(running_server))["services"]["ai"].get("pid") and h)

    assert list(found["services"]) == ["mongodb", "redis", "web", "hl7", "dicom", "ai", "worker"]
    assert set(found["endpoints"]) == {"http", "fhir", "dicomweb", "mllp", "dicom"}


def test_it_says_where_it_listens_and_what_to_try(running_server: running.Server) -> None:
    said = running.until(lambda: running_server.said if "Try:" in running_server.said else "")

    assert [word for word in ("/fhir", "medflow hl7 send", "storescu") if word not in said] == []


def test_the_file_of_endpoints_holds_no_secret(tmp_path: Path, mongodb_uri: str) -> None:
    uri = mongodb_uri.replace("/?", "/?appname=hidden&")

    server = running.start(
        tmp_path, "--only", "web", MEDFLOW_MONGODB_URI=uri, MEDFLOW_MONGODB_DATABASE="secretless"
    )

    assert server.stop() == 0
    assert "hidden" not in json.dumps(server.log)


def test_a_stop_is_clean(tmp_path: Path) -> None:
    server = running.start(tmp_path, "--only", "web")
    children = running.tree(server.process.pid)

    status = server.stop()

    assert (status, "Traceback" in server.log) == (0, False)
    assert not (tmp_path / "endpoints.json").exists()
    assert [pid for pid in children if alive(pid)] == []


def test_a_stop_during_the_start_is_clean(tmp_path: Path) -> None:
    server = running.spawn(tmp_path)
    running.until(lambda: "mongodb.started" in server.log)

    status = server.stop()

    assert (status, "Traceback" in server.log) == (0, False)


def test_a_killed_tree_leaves_nothing_behind_and_starts_again(tmp_path: Path) -> None:
    first = running.start(tmp_path)
    url = first.endpoints["fhir"]["url"]
    httpx.put(f"{url}/Patient/kept", json={"resourceType": "Patient", "id": "kept"})
    for pid in (first.process.pid, *running.tree(first.process.pid)):
        os.kill(pid, signal.SIGKILL)
    first.process.wait()

    second = running.start(tmp_path)

    try:
        assert httpx.get(f"{second.endpoints['fhir']['url']}/Patient/kept").status_code == 200
    finally:
        assert second.stop() == 0


def test_the_children_end_when_the_parent_is_killed(tmp_path: Path) -> None:
    server = running.start(tmp_path)
    children = running.tree(server.process.pid)

    server.process.kill()
    server.process.wait()

    running.until(lambda: not [pid for pid in children if alive(pid)])


def test_a_dead_role_comes_back_on_its_port(own: running.Server) -> None:
    before = own.endpoints["dicom"]["port"]

    os.kill(pid_of(own, "role dicom"), signal.SIGKILL)

    running.until(lambda: health(own)["services"]["dicom"]["restarts"] == 1)
    running.until(lambda: is_well(own))
    socket.create_connection(("127.0.0.1", before), 5).close()


def test_a_dead_mongodb_comes_back_and_so_does_the_api(own: running.Server) -> None:
    os.kill(pid_of(own, "mongod "), signal.SIGKILL)

    running.until(lambda: "child.restarted" in own.log)
    running.until(lambda: is_well(own))
    url = f"{own.endpoints['fhir']['url']}/Patient/x"
    assert running.until(
        lambda: httpx.put(url, json={"resourceType": "Patient", "id": "x"}).is_success
    )


def test_a_dead_redis_comes_back(own: running.Server) -> None:
    os.kill(pid_of(own, "redis-server "), signal.SIGKILL)

    running.until(lambda: "child.restarted" in own.log)
    running.until(lambda: is_well(own))


def test_health_says_which_part_is_missing(own: running.Server) -> None:
    os.kill(pid_of(own, "role hl7"), signal.SIGSTOP)

    url = f"{own.endpoints['http']['url']}/health"
    running.until(lambda: httpx.get(url).json() == {"status": "fail", "missing": ["hl7"]})
    assert httpx.get(url).status_code == 503
    os.kill(pid_of(own, "role hl7"), signal.SIGCONT)
    running.until(lambda: httpx.get(url).status_code == 200)


def test_a_second_server_on_the_same_data_is_refused(running_server: running.Server) -> None:
    second = running.medflow(running_server.data_dir, "serve")

    assert second.returncode == 1
    assert b"is in use by another MedFlow, process" in second.stderr
    assert b"Traceback" not in second.stderr


def test_a_port_in_use_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        settings = {"MEDFLOW_HTTP__PORT": str(port)}

        done = running.medflow(tmp_path, "serve", "--only", "web", settings=settings)

    sentences = [line for line in done.stderr.decode().splitlines() if not line.startswith("{")]
    assert done.returncode == 1
    assert sentences == [
        f"Port `{port}` on `127.0.0.1` is in use. Set `MEDFLOW_HTTP__PORT` to another, or to 0 for a"
        " free one."
    ]


@pytest.mark.parametrize(
    ("arguments", "settings", "status", "sentence"),
    [
        ((), {"MEDFLOW_HTP__PORT": "1"}, 1, "did you mean `MEDFLOW_HTTP__PORT`?"),
        ((), {"MEDFLOW_HTTP__PORT": "x"}, 1, "`MEDFLOW_HTTP__PORT`: "),
        (("--only", "wbe"), {}, 2, "`wbe` is not a role"),
        (("--only", "web"), {"MEDFLOW_DATA_DIR": "/dev/null/x"}, 1, "Cannot write to"),
    ],
)
def test_a_bad_start_is_refused_with_a_sentence(
    tmp_path: Path, arguments: tuple[str, ...], settings: dict[str, str], status: int, sentence: str
) -> None:
    done = running.medflow(tmp_path, "serve", *arguments, settings=settings)

    assert done.returncode == status
    assert sentence in done.stderr.decode()
    assert b"Traceback" not in done.stderr


def test_a_mongodb_that_does_not_answer_is_one_sentence(tmp_path: Path) -> None:
    uri = f"mongodb://someone:pass@127.0.0.1:{free_port()}/"

    done = running.medflow(
        tmp_path, "serve", "--only", "web", settings={"MEDFLOW_MONGODB_URI": uri}
    )

    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert b"someone:pass" not in done.stderr


def test_the_first_start_makes_accounts_whose_token_works(tmp_path: Path) -> None:
    server = running.start(tmp_path, "--only", "web", MEDFLOW_AUTH__MODE="builtin")
    try:
        said = running.until(lambda: server.said if "Try:" in server.said else "")
        [line] = [line.strip() for line in said.splitlines() if "client_credentials" in line]
        user, url = line.split()[2], line.split()[-1]

        token = httpx.post(
            url,
            auth=tuple(user.split(":")),
            data={"grant_type": "client_credentials", "scope": "system/*.cruds"},
        ).json()["access_token"]

        search = f"{server.endpoints['fhir']['url']}/Patient"
        assert httpx.get(search).status_code == 401
        bearer = {"Authorization": f"Bearer {token}"}
        assert httpx.get(search, headers=bearer).status_code == 200
    finally:
        server.stop()

    again = running.start(tmp_path, "--only", "web", MEDFLOW_AUTH__MODE="builtin")
    running.until(lambda: "Try:" in again.said)
    assert "secret" not in again.said
    assert again.stop() == 0


def alive(pid: int) -> bool:
    """Return whether a process runs; a zombie does not."""
    done = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return bool(done.stdout.strip()) and not done.stdout.startswith("Z")
