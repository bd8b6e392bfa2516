"""Compile R4's code systems and the compositions of its value sets into `profiles/r4/`.

https://hl7.org/fhir/R4/terminologies.html

    python -m tools.compile_terminology [hl7.fhir.r4.core-4.0.1.tgz]

Facts only: codes, displays of the code systems that R4 itself holds, hierarchy, properties and
compositions. Displays of SNOMED CT, LOINC and the like, which value sets repeat, are left out.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

from tools import compile_r4, compile_structures, manifest

FOLDER: Final = manifest.PROFILES / "r4"

Json = dict[str, Any]

_SYSTEM: Final = (
    "resourceType", "url", "version", "name", "caseSensitive", "valueSet", "hierarchyMeaning",
    "content", "supplements",
)  # fmt: skip
_SET: Final = ("resourceType", "url", "version", "name", "immutable")
_INCLUDE: Final = ("system", "version", "filter", "valueSet")


def main(package: Path, folder: Path = FOLDER) -> None:
    """Write `codesystems.jsonl.xz` and `valuesets.jsonl.xz`."""
    resources = compile_r4.read(package)
    for name, kind, facts in (
        ("codesystems", "CodeSystem", code_system),
        ("valuesets", "ValueSet", value_set),
    ):
        file = folder / f"{name}.jsonl.xz"
        found = [facts(item) for item in resources if item["resourceType"] == kind]
        compile_structures.write(file, found)
        if folder == FOLDER:
            manifest.record(file, made_by="tools/compile_terminology.py", package=package)


def code_system(resource: Json) -> Json:
    facts = {name: resource[name] for name in _SYSTEM if name in resource}
    if "property" in resource:
        facts["property"] = [
            {name: item[name] for name in ("code", "type") if name in item}
            for item in resource["property"]
        ]
    return {**facts, "concept": [concept(item) for item in resource.get("concept", ())]}


def concept(given: Json) -> Json:
    facts = {
        name: given[name] for name in ("code", "display", "property") if given.get(name) is not None
    }
    if "concept" in given:
        facts["concept"] = [concept(item) for item in given["concept"]]
    return facts


def value_set(resource: Json) -> Json:
    facts = {name: resource[name] for name in _SET if name in resource}
    compose = resource.get("compose", {})
    parts = {
        name: [include(item) for item in compose[name]]
        for name in ("include", "exclude")
        if name in compose
    }
    return {**facts, **({"compose": parts} if parts else {})}


def include(given: Json) -> Json:
    facts = {name: given[name] for name in _INCLUDE if name in given}
    if "concept" in given:
        facts["concept"] = [{"code": item["code"]} for item in given["concept"]]
    return facts


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else compile_r4.locate())
