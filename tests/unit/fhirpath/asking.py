"""How the tests of the language ask: an expression, and what it finds as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fhir_server import fhirpath
from fhir_server.fhirpath import Options
from fhir_server.search import ucum

BASIC: Mapping[str, Any] = {"resourceType": "Basic"}
UNITS = Options(canonical=ucum.canonical)


def ask(expression: str, resource: Mapping[str, Any] = BASIC, **given: Any) -> list[Any]:
    """Return what an expression finds as FHIR JSON values."""
    given.setdefault("options", UNITS)
    found = fhirpath.compile(expression).evaluate(resource, **given)
    return [fhirpath.plain(node) for node in found]


def paths(expression: str, resource: Mapping[str, Any]) -> list[str]:
    """Return where an expression finds something."""
    return [node.path for node in fhirpath.compile(expression).evaluate(resource)]


def types(expression: str, resource: Mapping[str, Any] = BASIC) -> list[str]:
    """Return the types of what an expression finds."""
    return [node.type for node in fhirpath.compile(expression).evaluate(resource)]
