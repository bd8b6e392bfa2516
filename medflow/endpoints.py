"""Where each language is spoken: `endpoints.json` in the data directory, for people and programs.

It exists while `medflow serve` runs, is replaced as a whole, and never holds a secret.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from kernel.settings import Settings

NAME: Final = "endpoints.json"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a listener accepts."""

    host: str
    port: int

    @property
    def authority(self) -> str:
        """Return `host:port` for a URL; a wildcard address becomes one that can be called."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - shown, not bound
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"


def document(
    settings: Settings, listening: Mapping[str, Address], mongodb_uri: str, redis_url: str
) -> dict[str, Any]:
    """Return what `endpoints.json` says, given the address of each role that listens."""
    made: dict[str, Any] = {"pid": os.getpid()}
    if "web" in listening:
        at = listening["web"]
        url = settings.http.public_url.rstrip("/") or f"http://{at.authority}"
        made["http"] = {"host": at.host, "port": at.port, "url": url}
        made["fhir"] = {"host": at.host, "port": at.port, "url": f"{url}/fhir"}
        made["dicomweb"] = {"host": at.host, "port": at.port, "url": f"{url}/dicomweb"}
    if "hl7" in listening:
        at = listening["hl7"]
        made["mllp"] = {"host": at.host, "port": at.port, "url": f"mllp://{at.authority}"}
    if "dicom" in listening:
        at = listening["dicom"]
        title = settings.dicom.ae_title
        made["dicom"] = {
            "host": at.host,
            "port": at.port,
            "ae_title": title,
            "url": f"dicom://{title}@{at.authority}",
        }
    made["mongodb"] = {"url": without_secrets(mongodb_uri)}
    made["redis"] = {"url": without_secrets(redis_url)}
    return made


def write(data_dir: Path, endpoints: Mapping[str, Any]) -> None:
    """Replace the file in one step, so that a reader never sees half of it."""
    draft = data_dir / f".{NAME}.{os.getpid()}"
    draft.write_text(json.dumps(endpoints, indent=2) + "\n")
    draft.replace(data_dir / NAME)


def read(data_dir: Path) -> dict[str, Any] | None:
    """Return what the server that runs on `data_dir` wrote; None if none runs."""
    try:
        found = json.loads((data_dir / NAME).read_text())
        os.kill(int(found["pid"]), 0)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return dict(found)


def remove(data_dir: Path) -> None:
    (data_dir / NAME).unlink(missing_ok=True)


def without_secrets(url: str) -> str:
    """Return a database's URL without user, password and options, which may all hold secrets.

    Only the name of the replica set is kept of the options: a client needs it.
    """
    parts = urlsplit(url)
    sets = [pair for pair in parse_qsl(parts.query) if pair[0].lower() == "replicaset"]
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, urlencode(sets), ""))
