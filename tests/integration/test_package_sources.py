"""A registry that answers, one that lies, and none at all.

https://github.com/npm/registry/blob/main/docs/REGISTRY-API.md
"""

from __future__ import annotations

import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from kernel.errors import BadStructure, TooLarge, Unavailable
from medflow.package_sources import Folder, Registry
from tests.tgz import package_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

NAME = "example.guide"
Answers = dict[str, tuple[int, bytes, dict[str, str]]]


@contextmanager
def serving(answers: Answers) -> Iterator[str]:
    """Answer each path with status, body and headers; give the base URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body, headers = answers.get(self.path, (404, b"", {}))
            self.send_response(status)
            for name, value in (headers | {"Content-Length": str(len(body))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def listing(versions: Mapping[str, Any], **tags: str) -> tuple[int, bytes, dict[str, str]]:
    entries = {version: {"dist": dist} for version, dist in versions.items()}
    said = {"name": NAME, "versions": entries, "dist-tags": tags}
    return 200, json.dumps(said).encode(), {}


def shasum(raw: bytes) -> str:
    return hashlib.sha1(raw).hexdigest()


def test_a_package_is_fetched_by_the_address_that_the_registry_names() -> None:
    raw = package_file()
    answers: Answers = {"/files/g.tgz": (200, raw, {})}
    with serving(answers) as url:
        dist = {"tarball": f"{url}/files/g.tgz", "shasum": shasum(raw)}
        answers[f"/{NAME}"] = listing({"1.0.0": dist})

        found = Registry(url).find(NAME, "1.0.0")

    assert found is not None
    assert found.key == "example.guide#1.0.0"


@pytest.mark.parametrize(
    ("wanted", "got"),
    [
        ("", "1.10.0"),
        ("1.9.x", "1.9.1"),
        ("latest", "1.10.0"),
        ("current", "2.0.0-ballot"),
        ("2.0.0-ballot", "2.0.0-ballot"),
        ("3.0.0", None),
    ],
)
def test_a_part_of_a_version_or_a_tag_means_the_newest(wanted: str, got: str | None) -> None:
    versions = ("1.9.0", "1.9.1", "1.10.0", "2.0.0-ballot")
    answers: Answers = {
        f"/{NAME}/{version}": (200, package_file(version=version), {}) for version in versions
    }
    answers[f"/{NAME}"] = listing({each: {} for each in versions}, current="2.0.0-ballot")

    with serving(answers) as url:
        found = Registry(f"{url}/").find(NAME, wanted)

    assert (found.manifest.version if found is not None else None) == got


def test_a_package_that_the_registry_does_not_know_is_none() -> None:
    with serving({}) as url:
        assert Registry(url).find(NAME, "1.0.0") is None


def test_a_file_that_was_changed_on_its_way_is_refused() -> None:
    answers: Answers = {
        f"/{NAME}": listing({"1.0.0": {"shasum": shasum(b"other")}}),
        f"/{NAME}/1.0.0": (200, package_file(), {}),
    }

    with serving(answers) as url, pytest.raises(BadStructure, match="checksum"):
        Registry(url).find(NAME, "1.0.0")


def test_another_package_than_was_asked_for_is_refused() -> None:
    answers: Answers = {
        f"/{NAME}": listing({"1.0.0": {}}),
        f"/{NAME}/1.0.0": (200, package_file(name="other"), {}),
    }

    with serving(answers) as url, pytest.raises(BadStructure, match=r"`other#1\.0\.0` where"):
        Registry(url).find(NAME, "1.0.0")


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://127.0.0.1/x", "nonsense"])
def test_an_address_that_is_no_web_address_is_not_opened(address: str) -> None:
    answers: Answers = {f"/{NAME}": listing({"1.0.0": {"tarball": address}})}

    with serving(answers) as url, pytest.raises(Unavailable, match="does not answer"):
        Registry(url).find(NAME, "1.0.0")


def test_a_redirect_to_a_file_is_not_followed() -> None:
    answers: Answers = {f"/{NAME}": (302, b"", {"Location": "file:///etc/passwd"})}

    with serving(answers) as url, pytest.raises(Unavailable):
        Registry(url).find(NAME, "1.0.0")


def test_a_redirect_is_followed() -> None:
    answers: Answers = {
        f"/{NAME}": (302, b"", {"Location": f"/moved/{NAME}"}),
        f"/moved/{NAME}": listing({"1.0.0": {}}),
        f"/{NAME}/1.0.0": (200, package_file(), {}),
    }

    with serving(answers) as url:
        assert Registry(url).find(NAME, "1.0.0") is not None


@pytest.mark.parametrize("said", [b"{", b"[]", b"\xff", b"[" * 9999])
def test_a_registry_that_talks_nonsense_is_refused(said: bytes) -> None:
    with (
        serving({f"/{NAME}": (200, said, {})}) as url,
        pytest.raises(BadStructure, match="registry"),
    ):
        Registry(url).find(NAME, "1.0.0")


@pytest.mark.parametrize("said", [b'{"versions": 1}', b'{"dist-tags": 1}', b"{}"])
def test_a_registry_that_names_no_versions_has_none(said: bytes) -> None:
    with serving({f"/{NAME}": (200, said, {})}) as url:
        assert Registry(url).find(NAME, "1.0.0") is None


def test_a_registry_that_says_too_much_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = package_file()
    answers: Answers = {f"/{NAME}": listing({"1.0.0": {}}), f"/{NAME}/1.0.0": (200, raw, {})}

    with serving(answers) as url:
        monkeypatch.setattr("medflow.package_sources.LONGEST", len(raw) - 1)
        with pytest.raises(TooLarge, match="longer than"):
            Registry(url).find(NAME, "1.0.0")
        monkeypatch.setattr("medflow.package_sources.LONGEST_LIST", 10)
        with pytest.raises(TooLarge, match="too much"):
            Registry(url).find(NAME, "1.0.0")


def test_a_registry_that_fails_is_said_to_fail() -> None:
    with (
        serving({f"/{NAME}": (500, b"", {})}) as url,
        pytest.raises(Unavailable, match="answered 500"),
    ):
        Registry(url).find(NAME, "1.0.0")


def test_a_registry_that_is_not_there_is_said_not_to_answer() -> None:
    with serving({}) as url:
        gone = url

    with pytest.raises(Unavailable, match="Give the packages as files"):
        Registry(gone).find(NAME, "1.0.0")


def test_a_folder_has_what_its_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "example.guide#1.0.0.tgz").write_bytes(package_file())
    (tmp_path / "example.guide-2.0.0.tgz").write_bytes(package_file(version="2.0.0"))

    found = [Folder(tmp_path).find(NAME, version) for version in ("1.0.0", "latest", "3.0.0")]

    assert [one.key if one is not None else None for one in found] == [
        "example.guide#1.0.0",
        "example.guide#2.0.0",
        None,
    ]
