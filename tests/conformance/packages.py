"""The implementation guides beside the checkout: their definitions and their examples.

https://hl7.org/fhir/us/core/, https://hl7.org/fhir/uv/ips/
"""

from __future__ import annotations

import tarfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fhir_server import fhirpath, jsonio
from fhir_server.conformance import Builtin, Chain, Check, Profiles, Terminology
from fhir_server.packages import package
from fhir_server.packages.catalogue import Catalogue, Shelf

if TYPE_CHECKING:
    from fhir_server.conformance import Finding

DEFINITIONS: Final = Path(__file__).resolve().parents[2] / ".." / "shared/fhir/definitions"
GUIDES: Final = (
    "hl7.fhir.us.core-3.1.1",
    "hl7.fhir.us.core-6.1.0",
    "hl7.fhir.us.core-7.0.0",
    "hl7.fhir.uv.ips-1.1.0",
)


def shelf(name: str) -> Shelf:
    with (DEFINITIONS / f"{name}.tgz").open("rb") as file:
        read = package.read(file)
    return Shelf(read.manifest, read.items)


class Guide:
    """One guide with R4 below it."""

    def __init__(self, name: str) -> None:
        definitions = Chain(Catalogue.of([shelf(name)]), Builtin())
        self.name = name
        self.profiles = Profiles(definitions)
        self.terminology = Terminology(definitions)

    def findings(self, resource: dict[str, Any]) -> list[Finding]:
        run = Check(self.profiles, self.terminology)
        run.whole(fhirpath.root(resource))
        return list(run.findings)

    def errors(self, resource: dict[str, Any]) -> list[Finding]:
        return [found for found in self.findings(resource) if found.severity == "error"]


@cache
def guide(name: str) -> Guide:
    return Guide(name)


@cache
def examples(name: str) -> dict[str, dict[str, Any]]:
    """Return the examples of a guide by the name of their file."""
    found: dict[str, dict[str, Any]] = {}
    with tarfile.open(DEFINITIONS / f"{name}.tgz") as archive:
        for member in archive:
            path = Path(member.name)
            if path.parts[:2] != ("package", "example") or path.suffix != ".json":
                continue
            content = archive.extractfile(member)
            resource = jsonio.decode(content.read()) if content is not None else {}
            if "resourceType" in resource:
                found[path.name] = resource
    return dict(sorted(found.items()))
