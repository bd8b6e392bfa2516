"""FHIR packages made for tests, as files and as what is read of them.

https://hl7.org/fhir/R5/packages.html
"""

from __future__ import annotations

import io
import json
import tarfile
from typing import TYPE_CHECKING, Any, Final

from fhir_server.packages.package import read

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fhir_server.packages.package import Package

CANONICAL: Final = "http://example.org/fhir"


def manifest(name: str = "example.guide", version: str = "1.0.0", **members: Any) -> dict[str, Any]:
    return {"name": name, "version": version, "fhirVersions": ["4.0.1"], **members}


def profile(id: str = "patient", type: str = "Patient", **members: Any) -> dict[str, Any]:
    """Return a profile that has every resource of a type carry a text."""
    return {
        "resourceType": "StructureDefinition",
        "id": id,
        "url": f"{CANONICAL}/StructureDefinition/{id}",
        "name": id.title(),
        "status": "active",
        "kind": "resource",
        "abstract": False,
        "type": type,
        "baseDefinition": f"http://hl7.org/fhir/StructureDefinition/{type}",
        "derivation": "constraint",
        "differential": {"element": [{"id": f"{type}.text", "path": f"{type}.text", "min": 1}]},
        **members,
    }


def packed(files: Mapping[str, Any]) -> bytes:
    """Return a `.tgz` of these files by path; what is no bytes is written as JSON."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for path, content in files.items():
            raw = content if isinstance(content, bytes) else json.dumps(content).encode()
            info = tarfile.TarInfo(path)
            info.size = len(raw)
            archive.addfile(info, io.BytesIO(raw))
    return buffer.getvalue()


def package_file(*resources: Mapping[str, Any], **members: Any) -> bytes:
    """Return the `.tgz` of a package with these resources, or a profile of Patient."""
    listed = resources or (profile(),)
    named = {
        f"package/{one['resourceType']}-{number}.json": one for number, one in enumerate(listed)
    }
    return packed({"package/package.json": manifest(**members), **named})


def package(*resources: Mapping[str, Any], **members: Any) -> Package:
    return read(package_file(*resources, **members))
