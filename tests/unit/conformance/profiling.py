"""Profiles that the tests make up, and what is said of resources by them."""

from __future__ import annotations

from typing import Any, Final

from fhir_server import fhirpath
from fhir_server.conformance import (
    Builtin,
    Chain,
    Check,
    Definition,
    Finding,
    Library,
    Profiles,
    Terminology,
)

ROOT: Final = "http://example.org/fhir/"
LOINC: Final = "http://loinc.org"
CORE: Final = "http://hl7.org/fhir/StructureDefinition/"

Json = dict[str, Any]


def definition(resource: Json, package: str = "") -> Definition:
    """Return a definition as a package would hold it."""
    return Definition(
        resource["resourceType"],
        resource["url"],
        resource.get("version", ""),
        package,
        lambda: resource,
    )


def profile(type: str, *elements: Json, name: str = "profile", **members: Any) -> Json:
    """Return a profile of a type by its differential; an element may leave out its id."""
    return {
        "resourceType": "StructureDefinition",
        "url": ROOT + name,
        "version": "1.0.0",
        "kind": "resource",
        "type": type,
        "baseDefinition": CORE + type,
        "derivation": "constraint",
        "differential": {"element": list(elements)},
    } | members


def sliced(type: str, path: str, by: list[tuple[str, str]], *slices: Json, **slicing: Any) -> Json:
    """Return a profile that slices one element; a slice's members are told as `.member`."""
    listed = [{"type": kind, "path": where} for kind, where in by]
    rows: list[Json] = [
        {"path": path, "slicing": {"discriminator": listed, "rules": "open"} | slicing}
    ]
    for slice in slices:
        inner = {key: value for key, value in slice.items() if key.startswith(".")}
        own = {key: value for key, value in slice.items() if not key.startswith(".")}
        rows.append({"path": path} | own)
        rows += [{"path": path + name} | rule for name, rule in inner.items()]
    return profile(type, *rows)


def coded(code: str) -> Json:
    return {"coding": [{"system": LOINC, "code": code}]}


def extension(name: str, *elements: Json, on: str = "Patient", **members: Any) -> Json:
    """Return the definition of an extension; its value is a string unless `elements` say more."""
    url = {"path": "Extension.url", "fixedUri": ROOT + name}
    context = [{"type": "element", "expression": on}]
    given = {"context": context, "kind": "complex-type"} | members
    return profile("Extension", url, *elements, name=name, **given)


def value_set(name: str, *include: Json, **members: Any) -> Json:
    compose = {"include": list(include)}
    return {"resourceType": "ValueSet", "url": ROOT + name, "compose": compose} | members


def sources(*resources: Json) -> Chain:
    return Chain(Library(definition(resource) for resource in resources), Builtin())


def findings(resource: Json, *definitions: Json, **options: Any) -> list[Finding]:
    """Return what is said of a resource by the first definition; not that a narrative is nice."""
    known = sources(*definitions)
    run = Check(Profiles(known), Terminology(known), **options)
    run.declared(fhirpath.root(resource), definitions[0]["url"], asked=True)
    return [finding for finding in run.findings if finding.rule != "dom-6"]


def faults(resource: Json, *definitions: Json, **options: Any) -> list[tuple[str, str]]:
    """Return code and place of each error, by the first definition."""
    found = findings(resource, *definitions, **options)
    return [(f.code, f.expression) for f in found if f.severity == "error"]


def whole(resource: Json, *definitions: Json, **options: Any) -> list[Finding]:
    """Return all that is said of a resource, by its type and the profiles that it declares; nor there."""
    known = sources(*definitions)
    run = Check(Profiles(known), Terminology(known), **options)
    run.whole(fhirpath.root(resource))
    return [finding for finding in run.findings if finding.rule != "dom-6"]


def remarks(found: list[Finding], severity: str) -> list[tuple[str, str]]:
    return [(f.code, f.expression) for f in found if f.severity == severity]
