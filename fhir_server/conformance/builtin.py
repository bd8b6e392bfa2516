"""The definitions of R4 itself: its types, profiles, extensions, value sets and code systems.

https://hl7.org/fhir/R4/definitions.html

Made from the original package by `tools/compile_structures.py` and `tools/compile_terminology.py`;
a file is read when something of its kind is first asked for.
"""

from __future__ import annotations

import lzma
from functools import cache, partial
from importlib.resources import files
from typing import Any, Final

import msgspec

from fhir_server.conformance.definitions import Definition, Library

PACKAGE: Final = "hl7.fhir.r4.core#4.0.1"

_FILES: Final = {
    "StructureDefinition": "structures.jsonl.xz",
    "ValueSet": "valuesets.jsonl.xz",
    "CodeSystem": "codesystems.jsonl.xz",
}


class _Head(msgspec.Struct):
    url: str
    version: str = ""


_HEAD: Final = msgspec.json.Decoder(_Head)


class Builtin:
    """R4's own definitions."""

    __slots__ = ()

    def find(self, kind: str, canonical: str, near: str = "") -> Definition | None:
        return _library(kind).find(kind, canonical, near) if kind in _FILES else None


@cache
def _library(kind: str) -> Library:
    content = files("profiles").joinpath("r4", _FILES[kind]).read_bytes()
    return Library(_definition(kind, line) for line in lzma.decompress(content).splitlines())


def _definition(kind: str, line: bytes) -> Definition:
    head = _HEAD.decode(line)
    return Definition(kind, head.url, head.version, PACKAGE, partial(_decode, line))


def _decode(line: bytes) -> dict[str, Any]:
    resource: dict[str, Any] = msgspec.json.decode(line)
    return resource
