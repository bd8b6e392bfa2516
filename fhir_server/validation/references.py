"""The type that a literal relative reference points to.

https://hl7.org/fhir/R4/references.html#literal
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from fhir_server.tables import RESOURCE_TYPES

if TYPE_CHECKING:
    from fhir_server.tables import Element

_ID: Final = r"[A-Za-z0-9\-.]{1,64}"
_RELATIVE: Final = re.compile(rf"([A-Z][A-Za-z]*)(?:/{_ID}(?:/_history/{_ID})?|\?.*)")


def target(reference: Any) -> str | None:
    """Return `Patient` of `Patient/1`, `Patient/1/_history/2` or `Patient?identifier=1`.

    None for what says nothing about the type: absolute URLs, URNs, and fragments of contained
    resources.
    """
    if type(reference) is not str:
        return None
    found = _RELATIVE.fullmatch(reference)
    return found[1] if found else None


def targets(element: Element) -> frozenset[str]:
    """Return the types that the references in this element may point to."""
    return frozenset(element.targets) or RESOURCE_TYPES


def allowed(value: Any, types: frozenset[str]) -> bool:
    """Return whether a well-formed Reference may point to where it does."""
    reference = value.get("reference")
    if reference is None or reference[0] == "#":
        return True
    head = reference.partition("/")[0]
    if head in types or ":" in head:
        return True
    kind = target(reference)
    return kind is None or kind in types
