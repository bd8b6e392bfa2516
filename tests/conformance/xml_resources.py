"""FHIR XML to FHIR JSON, for official cases that come as XML only.

https://hl7.org/fhir/R4/xml.html
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final
from xml.etree import ElementTree

from fhir_server import tables

_XHTML: Final = "http://www.w3.org/1999/xhtml"


def resource(element: ElementTree.Element) -> dict[str, Any]:
    """Return a resource element as JSON."""
    type = _local(element)
    return {"resourceType": type, **_members(element, type)}


def _local(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _members(element: ElementTree.Element, type: str) -> dict[str, Any]:
    made: dict[str, Any] = {
        name: value for name, value in element.attrib.items() if name in {"id", "url"}
    }
    elements = tables.get(type).elements
    for child in element:
        name = _local(child)
        kind, many = _element(elements, name)
        value, extra = _value(child, kind)
        if not many:
            made |= {key: v for key, v in ((name, value), (f"_{name}", extra)) if v is not None}
            continue
        values = made.setdefault(name, [])
        values.append(value)
        if extra is not None or f"_{name}" in made:
            extras = made.setdefault(f"_{name}", [])
            extras.extend([None] * (len(values) - 1 - len(extras)))
            extras.append(extra)
    return made


def _element(elements: dict[str, tables.Element], name: str) -> tuple[str, bool]:
    if name in elements:
        return elements[name].types[0], elements[name].max != 1
    for choice, element in elements.items():
        stem = choice.removesuffix("[x]")
        for type in element.types:
            if choice != stem and name == stem + type[0].upper() + type[1:]:
                return type, False
    raise LookupError(name)


def _value(element: ElementTree.Element, kind: str) -> tuple[Any, Any]:
    if kind == "xhtml":
        return ElementTree.tostring(element, encoding="unicode"), None
    if kind == "Resource":
        return resource(element[0]), None
    if tables.get(kind).kind != "primitive":
        return _members(element, kind), None
    text = element.get("value")
    extra = _members(element, kind) or None
    return (None if text is None else _primitive(text, kind)), extra


def _primitive(text: str, kind: str) -> Any:
    while kind not in {"boolean", "integer", "decimal"}:
        base = tables.get(kind).base
        if tables.get(base).kind != "primitive":
            return text
        kind = base
    return {"boolean": lambda t: t == "true", "integer": int, "decimal": Decimal}[kind](text)


ElementTree.register_namespace("", _XHTML)
