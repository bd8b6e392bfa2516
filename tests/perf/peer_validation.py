"""Validation by fhir.resources and jsonschema, in the peers' own environment.

https://github.com/nazrulworld/fhir.resources
https://github.com/python-jsonschema/jsonschema

    build/peer/bin/python tests/perf/peer_validation.py RESOURCES.json [SCHEMA.json.xz]

RESOURCES.json holds lists of resources by type; microseconds by peer and type are printed as JSON.
fhir.resources has R4B only: types that it does not have, and resources that it refuses, are left
out. The schema is HL7's own, which is split into one for each type.
"""

from __future__ import annotations

import json
import lzma
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
from fhir.resources.R4B import get_fhir_model_class

REPEATS = 3
MOST = 40


def cost(judge: Callable[[Any], Any], resources: list[Any]) -> float:
    """Return the CPU microseconds for one resource, the best of some runs."""
    best = float("inf")
    for _ in range(REPEATS):
        began = time.process_time()
        for resource in resources:
            judge(resource)
        best = min(best, time.process_time() - began)
    return best / len(resources) * 1e6


def accepted(judge: Callable[[Any], Any], resources: list[Any]) -> Iterator[Any]:
    for resource in resources[:MOST]:
        try:
            judge(resource)
        except Exception:  # whatever a peer raises is a refusal here
            continue
        yield resource


def fhir_resources(found: dict[str, list[Any]]) -> dict[str, float]:
    costs: dict[str, float] = {}
    for type, resources in found.items():
        try:
            judge = get_fhir_model_class(type).model_validate
        except KeyError:
            continue
        if kept := list(accepted(judge, resources)):
            costs[type] = cost(judge, kept)
    return costs


def json_schema(found: dict[str, list[Any]], file: Path) -> dict[str, float]:
    schema = json.loads(lzma.decompress(file.read_bytes()))
    costs: dict[str, float] = {}
    for type, resources in found.items():
        own = {"definitions": schema["definitions"], "$ref": f"#/definitions/{type}"}
        judge = jsonschema.Draft6Validator(own).validate
        if kept := list(accepted(judge, resources)):
            costs[type] = cost(judge, kept)
    return costs


if __name__ == "__main__":
    given: dict[str, list[Any]] = json.loads(Path(sys.argv[1]).read_bytes())
    answer = {"fhir.resources": fhir_resources(given)}
    if len(sys.argv) > 2:
        answer["jsonschema"] = json_schema(given, Path(sys.argv[2]))
    json.dump(answer, sys.stdout)
