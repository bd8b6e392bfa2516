"""What `medflow serve` says once everything accepts: where, as whom, and what to try."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from medflow.firstrun import Demo

LISTENERS = {"http": "Web app", "fhir": "FHIR R4", "dicomweb": "DICOMweb"}


def greeting(endpoints: Mapping[str, Any], mode: str, demo: Demo | None) -> str:
    """Return the text, with the secrets of new accounts in it if there are any."""
    parts = (_where(endpoints), _accounts(endpoints, mode, demo), _tries(endpoints, mode))
    paragraphs = ["\n".join(part) for part in map(list, parts) if part]
    return "\n\n".join(["MedFlow is ready. Stop it with Ctrl-C.", *paragraphs]) + "\n"


def tries(endpoints: Mapping[str, Any], mode: str) -> list[tuple[str, str]]:
    """Return three things to try: what it does, and the command."""
    found: list[tuple[str, str]] = []
    if "http" in endpoints:
        base = endpoints["http"]["url"]
        if mode == "open":
            found.append(("Read patients", f"curl {base}/fhir/Patient"))
        else:
            found.append(("Read what the server can do", f"curl {base}/fhir/metadata"))
    if "mllp" in endpoints:
        at = endpoints["mllp"]
        found.append(
            (
                "Send an HL7 v2 message",
                f"{command()} hl7 send FILE --host {at['host']} --port {at['port']}",
            )
        )
    if "dicom" in endpoints:
        at = endpoints["dicom"]
        found.append(
            ("Send an image", f"storescu -aec {at['ae_title']} {at['host']} {at['port']} FILE")
        )
    return found


def command() -> str:
    """Return how to call `medflow` from where the server was started."""
    if shutil.which("medflow"):
        return "medflow"
    own = Path(sys.executable).with_name("medflow")
    here = Path.cwd()
    return str(own.relative_to(here)) if own.is_relative_to(here) else str(own)


def _where(endpoints: Mapping[str, Any]) -> Iterator[str]:
    for key, name in LISTENERS.items():
        if key in endpoints:
            yield f"  {name:<10} {endpoints[key]['url']}"
    if "mllp" in endpoints:
        yield f"  {'HL7 v2':<10} {endpoints['mllp']['url']}"
    if "dicom" in endpoints:
        at = endpoints["dicom"]
        yield f"  {'DICOM':<10} {at['ae_title']} at {at['host']}:{at['port']}"


def _accounts(endpoints: Mapping[str, Any], mode: str, demo: Demo | None) -> Iterator[str]:
    if demo is None:
        if mode == "builtin" and "http" in endpoints:
            yield "Get a token:"
            yield (
                "  curl -u CLIENT_ID:SECRET -d grant_type=client_credentials"
                f" {endpoints['http']['url']}/auth/token"
            )
            yield f"  A new client: {command()} client add --name NAME --scope 'system/*.cruds'"
        return
    yield "This is the first start. These accounts are new, and shown only now:"
    yield f"  user    {demo.user}   password {demo.password}"
    yield f"  client  {demo.client_id}   secret {demo.client_secret}"
    if "http" in endpoints:
        yield "Get a token:"
        yield (
            f"  curl -u {demo.client_id}:{demo.client_secret} -d grant_type=client_credentials"
            f" -d 'scope=system/*.cruds' {endpoints['http']['url']}/auth/token"
        )


def _tries(endpoints: Mapping[str, Any], mode: str) -> Iterator[str]:
    found = tries(endpoints, mode)
    if found:
        yield "Try:"
    for what, command in found:
        yield f"  {what + ':':<30}{command}"
