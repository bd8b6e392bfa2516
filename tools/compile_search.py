"""Compile the R4 search parameters and compartments into `profiles/r4/*.json`: facts only, no prose.

https://hl7.org/fhir/R4/searchparameter-registry.html

    python -m tools.compile_search PACKAGE

PACKAGE is the original `hl7.fhir.r4.core-4.0.1.tgz`. Each expression is
resolved against the StructureDefinitions into the JSON members it visits, so that the server needs
no FHIRPath to index. Several parameters on one element share its key: one fact, one token.
"""

from __future__ import annotations

import json
import sys
import tarfile
from pathlib import Path
from typing import Any

from tools.manifest import record
from tools.search_by_hand import BY_HAND, PRIMARY
from tools.search_paths import TYPES, Definitions, branches, of, paths, resolve

OUT = Path(__file__).resolve().parents[1] / "profiles" / "r4"

WANTED = {"StructureDefinition", "SearchParameter", "ValueSet", "CompartmentDefinition"}

REGISTRY = "http://hl7.org/fhir/SearchParameter/"
COMMON = "Resource"  # where the parameters that every type has are kept


def read(package: Path) -> dict[str, dict[str, Any]]:
    """Return the definitions in a package, by file name, in name order."""
    found = {}
    with tarfile.open(package) as archive:
        for member in archive:
            name = Path(member.name)
            if str(name.parent) == "package" and name.name.split("-")[0] in WANTED:
                content = archive.extractfile(member)
                assert content is not None
                found[name.name] = json.load(content)
    return dict(sorted(found.items()))


def compile(package: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    definitions = Definitions(package)
    types: dict[str, dict[str, Any]] = {
        type: {} for type in [COMMON, *sorted(definitions.resources)]
    }
    left: list[str] = []
    composites: list[tuple[dict[str, Any], str]] = []
    for found in of(package, "SearchParameter"):
        if ours(found):
            for type in bases(found, types):
                entry, faults = parameter(definitions, found, type)
                types[type][found["code"]] = entry
                left += faults
                if found["type"] == "composite":
                    composites.append((found, type))
    urls = {found["url"]: found for found in of(package, "SearchParameter")}
    for found, type in composites:
        types[type][found["code"]] |= composite(definitions, found, type, types[type], urls)
    search = {
        "parameters": {type: dict(sorted(found.items())) for type, found in types.items()},
        "primary": {
            type: names for type, found in types.items() if (names := primary(type, found))
        },
    }
    return search, compartments(package), left


def ours(found: dict[str, Any]) -> bool:
    """R4 has examples of parameters among its own."""
    return not found["id"].startswith("example")


def bases(found: dict[str, Any], types: dict[str, Any]) -> list[str]:
    if found["id"] in BY_HAND:
        return [BY_HAND[found["id"]][0]]
    everywhere = {"Resource", "DomainResource"} & set(found["base"])
    return [COMMON] if everywhere else [type for type in found["base"] if type in types]


def parameter(
    definitions: Definitions, found: dict[str, Any], type: str
) -> tuple[dict[str, Any], list[str]]:
    kind, expression = found["type"], found.get("expression", "")
    entry: dict[str, Any] = {"kind": kind, "url": found["url"].removeprefix(REGISTRY)}
    if found["id"] in BY_HAND:
        targets = {"targets": sorted(found["target"])} if "target" in found else {}
        return entry | {"paths": BY_HAND[found["id"]][1]} | targets, []
    if kind == "composite":
        return entry, []
    if kind not in TYPES or not expression:
        return entry, [f"{type}.{found['code']}: a {kind} parameter without an expression"]
    sound = found.get("xpathUsage") == "phonetic"
    rows: list[list[str]] = []
    many, targets, left = False, set(found.get("target", [])), []
    for path in branches(expression, type):
        try:
            places, target = resolve(definitions, type, path)
        except (SyntaxError, KeyError):
            left.append(f"{type}.{found['code']}: {path}")
            continue
        fits = [row if not sound else phonetic(row) for row in paths(kind, places)]
        if not fits:
            left.append(f"{type}.{found['code']}: {path} has {[place.type for place in places]}")
        rows += [row for row in fits if row not in rows]
        many = many or any(place.many for place in places)
        targets = {target} if target else targets
    if rows:
        entry["paths"] = rows
    if kind == "reference" and len(targets) < 100:
        entry["targets"] = sorted(targets)
    if many or len({row[0] for row in rows}) > 1:
        entry["many"] = True
    return entry, left


def phonetic(row: list[str]) -> list[str]:
    """Return the row of what a text sounds like: a fact of its own."""
    return [f"{row[0]}:phonetic", row[1], "phonetic"]


def composite(
    definitions: Definitions,
    found: dict[str, Any],
    type: str,
    simple: dict[str, Any],
    urls: dict[str, dict[str, Any]],
) -> dict[str, Any]:
    """Return the roots of a composite parameter, each with the parts to be met together there.

    Where the root repeats, its values are indexed under a key that names root and parts, so that
    parameters of one structure share it. Elsewhere the parts are what they are by themselves.
    """
    own = [urls[component["definition"]] for component in found["component"]]
    roots = []
    for expression in branches(found["expression"], type):
        (root,) = resolve(definitions, type, expression)[0]
        parts = [
            part(definitions, type, expression, component["expression"], own, simple)
            for component in found["component"]
        ]
        entry: dict[str, Any] = {"parts": parts}
        if root.many:
            start = f"{root.members}."
            inside = [
                "/".join(row[1].removeprefix(start) for row in part["paths"])
                for part in parts
                if part["paths"][0][1].startswith(start)
            ]
            entry = {"key": "$".join([root.members, *inside]), "root": root.members} | entry
        roots.append(entry)
    rows = [[root["key"], root["root"], "composite"] for root in roots if "key" in root]
    return {"composite": roots} | ({"paths": rows, "many": True} if rows else {})


def part(
    definitions: Definitions,
    type: str,
    root: str,
    expression: str,
    own: list[dict[str, Any]],
    simple: dict[str, Any],
) -> dict[str, Any]:
    """Return one part; `own` are the parameters of all parts, `simple` those of the type."""
    places = []
    for one in expression.split("|"):
        path = one.strip().replace("as(DateTime)", "as(dateTime)")  # R4 misspells it
        path = path.removeprefix("%resource.") if path[0] == "%" else f"{root}.{path}".strip(".")
        places += resolve(definitions, type, path)[0]
    # R4 has the two parts of DocumentReference-relationship the wrong way round: what the part
    # leads to says which parameter is its own, and that has the key under which it is stored.
    for definition in own:
        row = simple[definition["code"]]
        keys = {path[1]: path[0] for path in row["paths"]}
        rows = list(paths(row["kind"], places))
        if keys.keys() & {row[1] for row in rows}:
            found = [[keys.get(row[1], row[0]), *row[1:]] for row in rows]
            entry = {"name": definition["code"], "kind": row["kind"], "paths": found}
            return entry | ({"targets": row["targets"]} if "targets" in row else {})
    raise ValueError(f"`{type}`: no parameter looks into `{expression}`.")


def primary(type: str, found: dict[str, Any]) -> list[str]:
    names = PRIMARY.get(type, ["date"])
    names = [name for name in names if found.get(name, {}).get("kind") == "date"]
    return [name for name in names if "paths" in found[name]]


def compartments(package: dict[str, Any]) -> dict[str, Any]:
    return {
        found["code"]: {row["code"]: row["param"] for row in found["resource"] if row.get("param")}
        for found in of(package, "CompartmentDefinition")
        if found["id"] != "example"
    }


def write(name: str, content: dict[str, Any], package: Path) -> None:
    file = OUT / name
    # One line a member of the first two levels, so that a change is readable.
    lines = [
        f"{json.dumps(key)}:{{\n"
        + ",\n".join(
            f"{json.dumps(k)}:{json.dumps(v, separators=(',', ':'))}" for k, v in part.items()
        )
        + "\n}"
        for key, part in content.items()
    ]
    file.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")
    record(file, made_by="tools/compile_search.py", package=package)


def main() -> None:
    package = Path(sys.argv[1])
    search, found, left = compile(read(package))
    OUT.mkdir(parents=True, exist_ok=True)
    write("search.json", search, package)
    write("compartments.json", found, package)
    for line in sorted(left):
        print(f"not compiled: {line}", file=sys.stderr)


if __name__ == "__main__":
    main()
