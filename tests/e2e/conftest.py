"""A running server for all end-to-end tests: real processes, real databases, mode `open`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest

from tests.e2e import running

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def running_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[running.Server]:
    """The server as a process; tests that harm it start their own."""
    made = running.start(tmp_path_factory.mktemp("server"))
    yield made
    assert made.stop() == 0, made.log


@pytest.fixture(scope="session")
def server(running_server: running.Server) -> dict[str, Any]:
    """What `endpoints.json` says."""
    return running_server.endpoints


@dataclass(frozen=True, slots=True)
class Fhir:
    """A FHIR server as a client sees it; `token` is empty in mode `open`."""

    url: str
    token: str = ""


@pytest.fixture
def fhir(server: dict[str, Any]) -> Fhir:
    """The running server, in mode `open`."""
    return Fhir(server["fhir"]["url"])


@pytest.fixture
def label() -> str:
    """A system of identifiers that only this test uses: the server is shared."""
    return f"urn:test:{uuid4()}"


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory, mongodb_uri: str) -> Iterator[Fhir]:
    """A server in mode `builtin`, and a token that a client got for its secret."""
    own = {
        "MEDFLOW_AUTH__MODE": "builtin",
        "MEDFLOW_MONGODB_URI": mongodb_uri,
        "MEDFLOW_MONGODB_DATABASE": "guarded",
    }
    made = running.start(tmp_path_factory.mktemp("guarded"), "--only", "web", **own)
    add = ["client", "add", "--name", "e2e", "--scope", "system/*.cruds", "--json"]
    client = json.loads(running.medflow(made.data_dir, *add, settings=own).stdout)
    answer = httpx.post(
        f"{made.endpoints['http']['url']}/auth/token",
        data={"grant_type": "client_credentials", "scope": "system/*.cruds"},
        auth=(client["client_id"], client["client_secret"]),
    )
    yield Fhir(made.endpoints["fhir"]["url"], answer.json()["access_token"])
    assert made.stop() == 0, made.log
