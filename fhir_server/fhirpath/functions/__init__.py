"""The functions of the language, by name.

https://hl7.org/fhirpath/N1/#functions
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fhir_server.fhirpath.functions import (
    boundaries,
    conversion,
    dates,
    encoding,
    existence,
    fhir,
    filtering,
    maths,
    regex,
    strings,
    tree,
    types,
)

if TYPE_CHECKING:
    from fhir_server.fhirpath.function import Function

FUNCTIONS: Final[dict[str, Function]] = {
    function.name: function
    for module in (
        existence,
        filtering,
        types,
        conversion,
        strings,
        regex,
        encoding,
        maths,
        boundaries,
        tree,
        dates,
        fhir,
    )
    for function in module.FUNCTIONS
}
