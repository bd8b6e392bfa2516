"""The package that comes with the server: profiles of what its gateways write.

https://hl7.org/fhir/R4/profiling.html
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final

from fhir_server.packages.catalogue import Shelf
from fhir_server.packages.package import assemble

FOLDER: Final = "medflow"


@cache
def shelf() -> Shelf:
    """Return it, read once."""
    folder = files("profiles") / FOLDER
    package = assemble(
        (file.name, file.read_bytes()) for file in folder.iterdir() if file.name.endswith(".json")
    )
    return Shelf(package.manifest, package.items)
