"""The manifest of `profiles/`: where each data file comes from and under which licence.

https://confluence.hl7.org/display/FHIR/NPM+Package+Specification
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

PROFILES: Final = Path(__file__).resolve().parents[1] / "profiles"


def record(
    file: Path,
    *,
    made_by: str,
    package: Path,
    manifest: Path = PROFILES / "manifest.json",
    described: Mapping[str, Any] | None = None,
) -> None:
    """Write or replace the entry of one data file.

    `made_by` is the script, relative to the root of the repository; `package` is the file that it
    was made from, a FHIR package unless `described` has its `name`, `version` and `license`.
    """
    entries = json.loads(manifest.read_bytes()) if manifest.exists() else {}
    described = described or describe(package)
    entries[file.resolve().relative_to(manifest.parent.resolve()).as_posix()] = {
        "made_by": made_by,
        "package": described["name"],
        "version": described["version"],
        "licence": described["license"],
        "package_sha256": digest(package),
        "sha256": digest(file),
    }
    ordered = {name: entries[name] for name in sorted(entries)}
    manifest.write_text(json.dumps(ordered, indent=2) + "\n", encoding="utf-8")


def describe(package: Path) -> dict[str, Any]:
    """Return the `package.json` of a FHIR package."""
    with tarfile.open(package) as archive:
        member = archive.extractfile("package/package.json")
        if member is None:
            raise ValueError(f"`{package.name}` holds no package/package.json: no FHIR package.")
        described: dict[str, Any] = json.load(member)
        return described


def digest(file: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
