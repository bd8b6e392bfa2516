"""Contained resources: found by the parameters of their own type, under names of their own.

https://hl7.org/fhir/R4/search.html#contained

What a contained Medication says is indexed as of the type `#Medication`, in the document of the
resource that contains it.
"""

from __future__ import annotations

from typing import Final

MARK: Final = "#"


def inside(type: str) -> str:
    """Return the name under which contained resources of a type are indexed."""
    return MARK + type


def plain(type: str) -> str:
    """Return the type itself."""
    return type.removeprefix(MARK)


def is_inside(type: str) -> bool:
    """Return whether this is the name of contained resources."""
    return type.startswith(MARK)
