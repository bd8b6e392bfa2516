"""Expand value sets that are plain lists or whole code systems.

https://hl7.org/fhir/R4/valueset.html#expansion
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]


def expand(content: list[Json], wanted: list[str]) -> dict[str, dict[str, list[str]]]:
    """Return the codes by system of each wanted value set that can be enumerated.

    Currencies, MIME types and units have no complete code system in the package: they are left out.
    """
    sets = {item["url"]: item for item in content if item["resourceType"] == "ValueSet"}
    systems = {item["url"]: item for item in content if item["resourceType"] == "CodeSystem"}
    found = ((url, expansion(sets[url], systems)) for url in wanted if url in sets)
    return {url: codes for url, codes in found if codes is not None}


def expansion(value_set: Json, systems: dict[str, Json]) -> dict[str, list[str]] | None:
    compose = value_set["compose"]
    if "exclude" in compose:
        raise ValueError(f"`{value_set['url']}` excludes codes: this script cannot expand it.")
    codes: dict[str, list[str]] = {}
    for include in compose["include"]:
        if "filter" in include or "valueSet" in include:
            raise ValueError(f"`{value_set['url']}` has a filter: this script cannot expand it.")
        system = include["system"]
        if "concept" in include:
            listed = [concept["code"] for concept in include["concept"]]
        elif system in systems and systems[system]["content"] == "complete":
            listed = list(every(systems[system].get("concept", ())))
        else:
            return None
        codes.setdefault(system, []).extend(listed)
    return codes


def every(concepts: list[Json]) -> Iterator[str]:
    """Return the codes of a hierarchy, parents first."""
    for concept in concepts:
        yield concept["code"]
        yield from every(concept.get("concept", []))
