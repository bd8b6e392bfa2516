"""FHIRPath: the language of invariants, search parameters, patches and subscriptions.

https://hl7.org/fhirpath/N1/
"""

from __future__ import annotations

from fhir_server.fhirpath.check import check
from fhir_server.fhirpath.expression import Expression, compile
from fhir_server.fhirpath.node import Node, root
from fhir_server.fhirpath.resolution import stub
from fhir_server.fhirpath.scope import Options
from fhir_server.fhirpath.system import plain

__all__ = ["Expression", "Node", "Options", "check", "compile", "plain", "root", "stub"]
