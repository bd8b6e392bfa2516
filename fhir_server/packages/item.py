"""One definition of a package: what it is found by, and its JSON, compressed.

https://hl7.org/fhir/R4/resource.html#canonical
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from fhir_server import jsonio
from fhir_server.validation import validate
from kernel.errors import FhirError, Invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS: Final = frozenset(
    {
        "ActivityDefinition",
        "CapabilityStatement",
        "CodeSystem",
        "CompartmentDefinition",
        "ConceptMap",
        "EventDefinition",
        "GraphDefinition",
        "ImplementationGuide",
        "Library",
        "Measure",
        "MessageDefinition",
        "NamingSystem",
        "OperationDefinition",
        "PlanDefinition",
        "Questionnaire",
        "SearchParameter",
        "StructureDefinition",
        "StructureMap",
        "TerminologyCapabilities",
        "ValueSet",
    }
)
"""What is kept of a package; the rest is examples."""
COMPILED: Final = frozenset({"StructureDefinition", "ValueSet", "CodeSystem", "SearchParameter"})
"""What the server itself works with, so that it has to be valid."""
LONGEST: Final = 15 << 20  # bytes, compressed: what the database takes in one document
_URL: Final = re.compile(r"[^\s|]{1,2000}")


@dataclass(frozen=True, slots=True)
class Item:
    """A conformance resource. `profile_of` is the resource type that it is a profile of, or "".

    `packed` is the JSON as the package has it, zlib-compressed.
    """

    type: str
    url: str
    version: str
    name: str
    id: str
    profile_of: str
    packed: bytes

    @property
    def canonical(self) -> str:
        return f"{self.url}|{self.version}" if self.version else self.url

    @property
    def raw(self) -> bytes:
        """The JSON as the package has it."""
        return zlib.decompress(self.packed)

    def load(self) -> dict[str, Any]:
        """Return the decoded JSON, made anew each time."""
        return jsonio.decode(self.raw)


def read(content: bytes) -> Item | None:
    """Return the definition in a file; None if it is none that is kept.

    Raises:
        BadStructure: it is not FHIR JSON.
        Invalid: it is one that the server works with, and not valid R4, or too long.
    """
    resource = jsonio.decode(content)
    type = resource.get("resourceType")
    url = resource.get("url")
    if not isinstance(type, str) or type not in KINDS or not isinstance(url, str):
        return None
    if not _URL.fullmatch(url):
        raise Invalid(f"`{url[:200]}` is not a canonical URL.", f"{type}.url")
    if type in COMPILED:
        validate(resource, type)
    packed = zlib.compress(content, 6)
    if len(packed) > LONGEST:
        raise Invalid(f"It is longer than {LONGEST >> 20} MB, compressed.", type)
    return Item(
        type,
        url,
        _short(resource, "version"),
        _short(resource, "name"),
        _short(resource, "id"),
        _profile_of(resource),
        packed,
    )


def faults(error: FhirError, most: int = 3) -> str:
    """Return the first faults in one line."""
    return " ".join(issue.diagnostics for issue in error.issues[:most])


def _short(resource: Mapping[str, Any], name: str) -> str:
    value = resource.get(name)
    return value[:200] if isinstance(value, str) and "|" not in value else ""


def _profile_of(resource: Mapping[str, Any]) -> str:
    constrains = (
        resource.get("resourceType") == "StructureDefinition"
        and resource.get("kind") == "resource"
        and resource.get("derivation") == "constraint"
        and resource.get("abstract") is not True
    )
    return _short(resource, "type") if constrains else ""
