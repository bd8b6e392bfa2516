"""$versions: the FHIR versions that this server speaks.

https://hl7.org/fhir/R4/capabilitystatement-operation-versions.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fhir_server.operations.operation import Call, Operation

if TYPE_CHECKING:
    from fhir_server.engine import Engine
    from fhir_server.model import Context

VERSION: Final = "4.0"
"""Major and minor of FHIR R4, as the operation's definition wants it."""


async def versions(_: Engine, __: Context, ___: Call) -> dict[str, Any]:
    """Return `version` once for each version, and `default` once."""
    names = ("version", "default")
    return {
        "resourceType": "Parameters",
        "parameter": [{"name": name, "valueCode": VERSION} for name in names],
    }


VERSIONS = Operation(
    "versions",
    "http://hl7.org/fhir/OperationDefinition/CapabilityStatement-versions",
    frozenset({"system"}),
    versions,
)
