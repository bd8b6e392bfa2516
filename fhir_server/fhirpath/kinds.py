"""The types that an expression sees: R4's own, from the tables, and FHIRPath's System types.

https://hl7.org/fhirpath/N1/#type-safety-and-strict-evaluation
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Final, Literal

from fhir_server import tables

SYSTEM_TYPES: Final = (
    "Boolean",
    "Integer",
    "Decimal",
    "String",
    "Date",
    "DateTime",
    "Time",
    "Quantity",
)

_CONVERSIONS: Final = {
    "boolean": "Boolean",
    "integer": "Integer",
    "decimal": "Decimal",
    "date": "Date",
    "dateTime": "DateTime",
    "instant": "DateTime",
    "time": "Time",
    "Quantity": "Quantity",
}
"""R4 types that become something else than a String; their subtypes do the same."""


@dataclass(frozen=True, slots=True)
class Member:
    """One element of a type as JSON has it.

    `forms` are the JSON names and types of a choice, `valueQuantity` and `_valueString` alike;
    empty for any other element, whose JSON name is its own.
    """

    name: str
    kind: Kind
    many: bool
    forms: dict[str, tuple[str, Kind]]


@dataclass(frozen=True)
class Kind:
    """One type. `system` is the System type that its values convert to, "" for none."""

    name: str
    namespace: Literal["FHIR", "System"]
    parent: str = ""
    primitive: bool = False
    resource: bool = False
    system: str = ""

    @cached_property
    def ancestors(self) -> frozenset[str]:
        """The names of this type and of all that it is derived from."""
        names = {self.name}
        parent = self.parent
        while parent:
            names.add(parent)
            parent = kind(parent).parent if self.namespace == "FHIR" else ""
        return frozenset(names)

    @cached_property
    def members(self) -> dict[str, Member]:
        """The elements by the name that a path has: `value`, never `valueQuantity`."""
        if self.namespace == "System":
            text = system("String")
            names = ("namespace", "name", "baseType") if self.name == "TypeInfo" else ()
            return {name: Member(name, text, many=False, forms={}) for name in names}
        if not tables.exists(self.name):
            return {}
        elements = tables.get(self.name).elements
        return {m.name: m for m in (_member(name, element) for name, element in elements.items())}


def _member(name: str, element: tables.Element) -> Member:
    forms: dict[str, tuple[str, Kind]] = {}
    if name.endswith("[x]"):
        name = name.removesuffix("[x]")
        for type in element.types:
            form = name + type[0].upper() + type[1:]
            forms[form] = forms[f"_{form}"] = (form, kind(type))
    return Member(name, kind(element.types[0]), element.max != 1, forms)


@cache
def kind(name: str) -> Kind:
    """Return an R4 type; one that R4 does not have gets a Kind without elements."""
    if not tables.exists(name):
        return Kind(name, "FHIR")
    type = tables.get(name)
    primitive = type.kind == "primitive"
    return Kind(
        name,
        "FHIR",
        type.base or _root_of(name),
        primitive,
        type.kind == "resource",
        _conversion(name, type),
    )


def _root_of(name: str) -> str:
    return "" if name in {"Element", "Resource"} else "Element"


def _conversion(name: str, type: tables.Type) -> str:
    while name not in _CONVERSIONS:
        if not type.base:
            return "String" if type.kind == "primitive" else ""
        primitive = type.kind == "primitive"
        name, type = type.base, tables.get(type.base)
        if primitive and type.kind != "primitive":
            return "String"
    return _CONVERSIONS[name]


@cache
def system(name: str) -> Kind:
    """Return a System type."""
    return Kind(name, "System", "Any", name != "TypeInfo", False, name)


@dataclass(frozen=True, slots=True)
class TypeName:
    """A type as an expression names it; `namespace` "" if it does not say."""

    namespace: str
    name: str

    def is_known(self) -> bool:
        """Return whether there can be such a type: `System.Patient` is odd, but never a fault."""
        if self.namespace == "System":
            return True
        known = tables.exists(self.name)
        return known or (not self.namespace and self.name in (*SYSTEM_TYPES, "Any"))

    def covers(self, kind: Kind) -> bool:
        """Return whether something of this kind is of this type or of one derived from it.

        Without a namespace, FHIR's types come first: `Quantity` is both.
        """
        if self.name not in kind.ancestors:
            return self.name == "Quantity" == kind.system and not self.namespace
        return not self.namespace or self.namespace == kind.namespace

    def admits(self, kind: Kind) -> bool:
        """Return whether `as` and `ofType` let it through.

        As the official tests have it, a primitive passes under its very own name only: a `code` is
        a `string`, and still `gender.ofType(string)` is empty.
        """
        return self.covers(kind) and (not kind.primitive or kind.name == self.name)
