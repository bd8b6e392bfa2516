"""FHIR JSON in files, turned into Bundles that the service runs.

https://hl7.org/fhir/R4/http.html#transaction, http://ndjson.org
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from fhir_server.jsonio import decode, encode
from kernel.errors import BadStructure, TooLarge

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LARGEST: Final = 1 << 30
"""Bytes of one file once it is unpacked; a small `.gz` may hold more than a machine does."""
TOGETHER: Final = 500
"""Lines of NDJSON that are stored in one transaction."""


def read(path: Path) -> bytes:
    """Return a file's bytes, unpacked if it is a `.gz`.

    Raises:
        BadStructure: it is no gzip file.
        TooLarge: it holds more than `LARGEST` bytes.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            raw = file.read(LARGEST + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise BadStructure("The file is not a complete gzip file.") from None
    if len(raw) > LARGEST:
        raise TooLarge(f"The file holds more than `{LARGEST}` bytes; split it.")
    return raw


class _Head(msgspec.Struct):
    resourceType: str = ""
    type: str = ""


def from_json(raw: bytes) -> bytes | dict[str, Any]:
    """Return a Bundle to run: the file's own if it is a batch or transaction, else one made of it."""
    try:
        head = msgspec.json.decode(raw, type=_Head)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        head = _Head()  # it is told below what is wrong
    if head.resourceType == "Bundle" and head.type in {"transaction", "batch"}:
        return raw
    found = decode(raw)
    if found.get("resourceType") != "Bundle":
        return transaction([found])
    entries = found.get("entry")
    if not isinstance(entries, list):
        raise BadStructure("The Bundle has no `entry`.", "Bundle.entry")
    return transaction([_resource(entry) for entry in entries])


def from_ndjson(raw: bytes) -> Iterator[dict[str, Any]]:
    """Give a transaction for every `TOGETHER` lines."""
    lines = [line for line in raw.splitlines() if line.strip()]
    for start in range(0, len(lines), TOGETHER):
        yield transaction([decode(line) for line in lines[start : start + TOGETHER]])


def transaction(resources: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a transaction that puts each resource under its id, or posts one that has none."""
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [{"resource": resource, "request": _request(resource)} for resource in resources],
    }


class _Asked(msgspec.Struct):
    method: str = ""
    ifNoneExist: str = ""


class _Entry(msgspec.Struct):
    request: _Asked = msgspec.field(default_factory=_Asked)


class _Entries(msgspec.Struct):
    type: str = ""
    entry: list[_Entry] = []


@dataclass(frozen=True, slots=True)
class Content:
    """What tells a Bundle from others; a batch is not stored at once, so neither is a note of it."""

    digest: str
    is_batch: bool


def content(bundle: bytes | dict[str, Any]) -> Content | None:
    """Return the content of a Bundle that makes something new each time that it is run.

    None if to run it again changes nothing: it has no create without a condition.
    """
    raw = bundle if isinstance(bundle, bytes) else encode(bundle)
    try:
        found = msgspec.json.decode(raw, type=_Entries)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None  # the server says what is wrong
    asked = [entry.request for entry in found.entry]
    makes = any(one.method == "POST" and not one.ifNoneExist for one in asked)
    return Content(hashlib.sha256(raw).hexdigest(), found.type == "batch") if makes else None


def faults(response: dict[str, Any]) -> list[str]:
    """Return what a batch refused, a sentence an entry; empty for a transaction that went through."""
    found = []
    for number, entry in enumerate(response.get("entry", [])):
        answer = entry.get("response", {})
        if not str(answer.get("status", "")).startswith("2"):
            issues = answer.get("outcome", {}).get("issue", [{}])
            found.append(f"entry {number}: {issues[0].get('diagnostics', answer.get('status'))}")
    return found


def _request(resource: dict[str, Any]) -> dict[str, str]:
    type, id = resource.get("resourceType"), resource.get("id")
    if not isinstance(type, str):
        raise BadStructure("A resource has no `resourceType`.")
    return {"method": "PUT", "url": f"{type}/{id}"} if id else {"method": "POST", "url": type}


def _resource(entry: Any) -> dict[str, Any]:
    resource = entry.get("resource") if isinstance(entry, dict) else None
    if not isinstance(resource, dict):
        raise BadStructure("An entry has no `resource`.", "Bundle.entry.resource")
    return resource
