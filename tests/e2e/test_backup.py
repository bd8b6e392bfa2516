"""A backup of a running server, and another one that starts from it; docs/backup.md."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file

from tests.e2e import running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

IMAGE = str(get_testdata_file("CT_small.dcm"))
BUNDLE = {
    "resourceType": "Bundle",
    "type": "transaction",
    "entry": [
        {
            "resource": {"resourceType": "Patient", "id": "kept", "active": True},
            "request": {"method": "PUT", "url": "Patient/kept"},
        }
    ],
}


@pytest.fixture(scope="module")
def saved(
    running_server: running.Server, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    """A backup of a running server with something in it, and what the server said of that."""
    folder = tmp_path_factory.mktemp("backup")
    (folder / "bundle.json").write_text(json.dumps(BUNDLE))
    paths = (str(folder / "bundle.json"), IMAGE)
    assert running.medflow(running_server.data_dir, "import", *paths).returncode == 0
    base = running_server.endpoints["fhir"]["url"]
    changed = {"resourceType": "Patient", "id": "kept", "active": False}
    httpx.put(f"{base}/Patient/kept", json=changed).raise_for_status()

    done = running.medflow(
        running_server.data_dir, "backup", str(folder / "backup.tar.gz"), "--json"
    )

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["documents"]["resources"] >= 3
    assert report["images"] >= 1
    return folder / "backup.tar.gz", answers(running_server)


@pytest.fixture(scope="module")
def restored(
    saved: tuple[Path, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[running.Server]:
    """A new server that starts from that backup."""
    data_dir = tmp_path_factory.mktemp("restored")
    done = running.medflow(data_dir, "restore", str(saved[0]), "--json")
    assert done.returncode == 0, done.stderr
    server = running.start(data_dir)
    yield server
    assert server.stop() == 0, server.log


def answers(server: running.Server) -> dict[str, Any]:
    base = server.endpoints["fhir"]["url"]
    history = httpx.get(f"{base}/Patient/kept/_history").raise_for_status().json()
    study = httpx.get(
        f"{base}/ImagingStudy", params={"identifier": f"urn:dicom:uid|urn:oid:{uid()}"}
    )
    return {
        "now": httpx.get(f"{base}/Patient/kept").raise_for_status().text,
        "first": httpx.get(f"{base}/Patient/kept/_history/1").raise_for_status().text,
        "versions": [entry["resource"] for entry in history["entry"]],
        "total": httpx.get(f"{base}/Patient?_id=kept&_total=accurate").json()["total"],
        "study": [entry["resource"] for entry in study.raise_for_status().json()["entry"]],
    }


def uid() -> str:
    return str(dcmread(IMAGE, stop_before_pixels=True).StudyInstanceUID)


def test_the_new_server_answers_as_the_old_one_did(
    saved: tuple[Path, dict[str, Any]], restored: running.Server
) -> None:
    assert answers(restored) == saved[1]
    assert len(saved[1]["versions"]) == 2
    assert len(saved[1]["study"]) == 1


def test_the_new_server_gives_the_image_back(restored: running.Server) -> None:
    url = f"{restored.endpoints['dicomweb']['url']}/studies/{uid()}"

    # It settled just before the backup, so the new server looks at it once more as it starts.
    running.until(lambda: httpx.get(url).status_code == 200)

    assert b"DICM" in httpx.get(url).content


def test_a_restore_beside_a_running_server_is_one_sentence(
    saved: tuple[Path, dict[str, Any]], running_server: running.Server
) -> None:
    done = running.medflow(running_server.data_dir, "restore", str(saved[0]))

    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1)
    assert b"A server runs on" in done.stderr


def test_a_second_restore_is_refused(saved: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    first, again = (running.medflow(tmp_path, "restore", str(saved[0])) for _ in range(2))

    assert (first.returncode, again.returncode) == (0, 1)
    assert b"is not empty" in again.stderr
    assert b"Traceback" not in again.stderr


def test_what_is_no_backup_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_bytes(b"not one")

    done = running.medflow(tmp_path, "restore", str(tmp_path / "a.tar.gz"))

    assert (done.returncode, done.stderr.count(b"Traceback")) == (1, 0)
    assert b"The file is damaged" in done.stderr


def test_a_message_is_replayed_by_its_id(running_server: running.Server) -> None:
    message = (
        b"MSH|^~\\&|A|B|C|D|20240101||ADT^A01^ADT_A01|e2e-replay|P|2.5.1\nEVN||20240101\n"
        b"PID|||79^^^B^MR||Doe^Jo\nPV1||I\n"
    )
    running.medflow(running_server.data_dir, "hl7", "send", "-", given=message)
    listed = running.medflow(running_server.data_dir, "hl7", "messages", "--json")
    [id] = [row["id"] for row in json.loads(listed.stdout) if row["control"] == "e2e-replay"]

    done = running.medflow(running_server.data_dir, "hl7", "replay", id, "--json")
    none = running.medflow(running_server.data_dir, "hl7", "replay", "nope")

    row = json.loads(done.stdout)
    assert (done.returncode, row["state"], row["answer"]) == (0, "applied", "AA")
    assert (none.returncode, none.stderr) == (1, b"No HL7 message `nope` is kept.\n")
