"""The search parameters of R4 as data: which elements each looks into, and what it may target.

https://hl7.org/fhir/R4/searchparameter-registry.html

Made from the original package by `tools/compile_search.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

REGISTRY: Final = "http://hl7.org/fhir/SearchParameter/"
COMMON: Final = "Resource"


@dataclass(frozen=True, slots=True)
class Path:
    """One element that a parameter looks into.

    `key` names the fact in tokens; `members` is the way through the JSON, a filter in brackets:
    `telecom[system=phone]`. `system` is the code system that a required binding implies.
    """

    key: str
    members: str
    datatype: str
    system: str = ""


@dataclass(frozen=True, slots=True)
class Root:
    """Where the parts of a composite parameter are met together.

    `key` and `members` are of an element that repeats, "" where the parts are facts of the whole
    resource.
    """

    parts: tuple[Parameter, ...]
    key: str = ""
    members: str = ""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One search parameter of one type. No `targets` means any; `many` that it can repeat."""

    type: str
    name: str
    kind: str
    url: str
    paths: tuple[Path, ...] = ()
    targets: tuple[str, ...] = ()
    many: bool = False
    ready: bool = True  # False while the index of one made over REST is being built
    composite: tuple[Root, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(path.key for path in self.paths))


@dataclass(frozen=True, slots=True)
class Known:
    """The parameters that a search may name: those of R4, and by type those made over REST."""

    custom: Mapping[str, Mapping[str, Parameter]] = field(default_factory=dict)

    def of(self, type: str) -> Mapping[str, Parameter]:
        """Return all parameters of a type, by name; R4's own cannot be replaced."""
        extra = self.custom.get(type)
        return {**extra, **of(type)} if extra else of(type)


R4: Final = Known()
"""The parameters of R4 alone."""


def types() -> frozenset[str]:
    """Return the names of all resource types."""
    return frozenset(_table("search.json")["parameters"]) - {COMMON}


@cache
def of(type: str) -> Mapping[str, Parameter]:
    """Return all parameters that R4 defines for a type, by name, supported or not."""
    parameters = _table("search.json")["parameters"]
    # `#Medication` is a Medication inside another resource: search/contained.py
    rows = parameters[COMMON] | parameters.get(type.removeprefix("#"), {})
    return MappingProxyType({name: _parameter(type, name, row) for name, row in rows.items()})


def supported(type: str) -> list[tuple[str, str, str]]:
    """Return name, kind and definition of every parameter that can be searched with, by name."""
    return sorted(
        (row.name, row.kind, row.url) for row in of(type).values() if row.paths or row.composite
    )


def primary(type: str) -> tuple[Parameter, ...]:
    """Return the parameters whose first value is the clinical date of a resource, best first."""
    return tuple(of(type)[name] for name in _table("search.json")["primary"].get(type, ()))


@cache
def patient(type: str) -> Parameter | None:
    """Return the parameter that says whose resource it is, if the type has one."""
    for name in ("patient", "subject"):
        found = of(type).get(name)
        if found is not None and found.kind == "reference" and "Patient" in found.targets:
            return found
    return None


def compartments() -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    """Return the five compartments: their types, each with the parameters that decide."""
    return _table("compartments.json")


@cache
def compartment(type: str, owner: str = "Patient") -> frozenset[str]:
    """Return the keys of the references that put a resource into a compartment.

    https://hl7.org/fhir/R4/compartmentdefinition.html
    """
    names = _table("compartments.json").get(owner, {}).get(type, ())
    return frozenset(key for name in names if name in of(type) for key in of(type)[name].keys)


def _parameter(type: str, name: str, row: Mapping[str, Any]) -> Parameter:
    return Parameter(
        type,
        name,
        row["kind"],
        REGISTRY + row["url"],
        tuple(Path(*path) for path in row.get("paths", ())),
        tuple(row.get("targets", ())),
        row.get("many", False),
        composite=tuple(_root(type, root) for root in row.get("composite", ())),
    )


def _root(type: str, row: Mapping[str, Any]) -> Root:
    parts = tuple(_parameter(type, part["name"], part | {"url": ""}) for part in row["parts"])
    return Root(parts, row.get("key", ""), row.get("root", ""))


@cache
def _table(name: str) -> dict[str, Any]:
    content = files("profiles").joinpath("r4", name).read_bytes()
    table: dict[str, Any] = msgspec.json.decode(content)
    return table
