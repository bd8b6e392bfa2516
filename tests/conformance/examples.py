"""The official R4 examples, read from the archive beside the checkout.

https://hl7.org/fhir/R4/downloads.html
"""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fhir_server import jsonio

SHARED: Final = Path(__file__).resolve().parents[2] / ".." / "shared/fhir"
EXAMPLES: Final = SHARED / "examples/r4-examples-json.tar.xz"


@dataclass(frozen=True, slots=True)
class Example:
    """One file; `raw` are its bytes."""

    name: str
    raw: bytes
    resource: dict[str, Any]

    @property
    def type(self) -> str:
        return str(self.resource["resourceType"])

    @property
    def id(self) -> str:
        return str(self.resource.get("id", ""))


def read() -> list[Example]:
    """Return all examples in the order of their names."""
    found = []
    with tarfile.open(EXAMPLES) as archive:
        for member in archive:
            content = archive.extractfile(member)
            if content is not None and member.name.endswith(".json"):
                raw = content.read()
                found.append(Example(Path(member.name).name, raw, jsonio.decode(raw)))
    return sorted(found, key=lambda example: example.name)
