"""Conformance: profiles, extensions and terminology, and what a resource has to do with them.

https://hl7.org/fhir/R4/profiling.html
"""

from __future__ import annotations

from fhir_server.conformance.builtin import Builtin
from fhir_server.conformance.check import Check
from fhir_server.conformance.definitions import Chain, Definition, Definitions, Library
from fhir_server.conformance.findings import Finding, Findings
from fhir_server.conformance.profiles import Profile, Profiles
from fhir_server.conformance.terminology import Terminology

__all__ = [
    "Builtin",
    "Chain",
    "Check",
    "Definition",
    "Definitions",
    "Finding",
    "Findings",
    "Library",
    "Profile",
    "Profiles",
    "Terminology",
]
