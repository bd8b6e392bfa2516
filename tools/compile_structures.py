"""Compile R4's StructureDefinitions, profiles and extensions included, into `profiles/r4/`.

https://hl7.org/fhir/R4/structuredefinition.html

    python -m tools.compile_structures [hl7.fhir.r4.core-4.0.1.tgz]

Facts only: what a validator reads of a definition, and no text but that of the invariants. One
definition a line, sorted by its URL.
"""

from __future__ import annotations

import json
import lzma
import sys
from pathlib import Path
from typing import Any, Final

from tools import compile_r4, manifest

FILE: Final = manifest.PROFILES / "r4" / "structures.jsonl.xz"

Json = dict[str, Any]

_DEFINITION: Final = (
    "resourceType", "url", "version", "name", "kind", "abstract", "context", "contextInvariant",
    "type", "baseDefinition", "derivation",
)  # fmt: skip
_ELEMENT: Final = frozenset(
    ["id", "path", "sliceName", "min", "max", "contentReference", "maxLength", "isModifier"]
)
_VALUES: Final = ("fixed", "pattern", "minValue", "maxValue")
_MAX_VALUE_SET: Final = "http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet"
# Structural validation sees empty objects already, and this rule is on each of 30,000 elements.
_EVERYWHERE: Final = frozenset({"ele-1"})


def main(package: Path, file: Path = FILE) -> None:
    """Write `structures.jsonl.xz`."""
    found = [
        definition(resource)
        for resource in compile_r4.read(package)
        if resource["resourceType"] == "StructureDefinition"
    ]
    write(file, found)
    if file == FILE:
        manifest.record(file, made_by="tools/compile_structures.py", package=package)


def definition(resource: Json) -> Json:
    """Return a definition with its snapshot, or its differential where the package has none."""
    facts = {name: resource[name] for name in _DEFINITION if name in resource}
    view = "snapshot" if "snapshot" in resource else "differential"
    return {**facts, view: {"element": [element(row) for row in resource[view]["element"]]}}


def element(row: Json) -> Json:
    """Return what a validator reads of one ElementDefinition."""
    facts: Json = {
        name: value
        for name, value in row.items()
        if name in _ELEMENT or name.startswith(_VALUES)
        if value is not False
    }
    if "type" in row:
        facts["type"] = [_without(kind, "extension") for kind in row["type"]]
    if "slicing" in row:
        facts["slicing"] = _without(row["slicing"], "description", "id")
    if "binding" in row:
        facts["binding"] = binding(row["binding"])
    if rules := [rule(given) for given in row.get("constraint", ()) if _matters(given)]:
        facts["constraint"] = rules
    return facts


def binding(given: Json) -> Json:
    facts = {name: given[name] for name in ("strength", "valueSet") if name in given}
    widest = [item for item in given.get("extension", ()) if item["url"] == _MAX_VALUE_SET]
    return {**facts, **({"extension": widest} if widest else {})}


def rule(given: Json) -> Json:
    return {name: given[name] for name in ("key", "severity", "human", "expression")}


def _matters(given: Json) -> bool:
    return "expression" in given and given["key"] not in _EVERYWHERE


def _without(given: Json, *names: str) -> Json:
    return {name: value for name, value in given.items() if name not in names}


def write(file: Path, resources: list[Json]) -> None:
    """Write one resource a line, sorted by URL, as XZ."""
    ordered = sorted(resources, key=lambda resource: str(resource["url"]))
    lines = (json.dumps(line, ensure_ascii=False, separators=(",", ":")) for line in ordered)
    file.write_bytes(lzma.compress("\n".join(lines).encode(), preset=9))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else compile_r4.locate())
