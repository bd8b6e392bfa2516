"""The code tables under `profiles/hl7v2`: facts only, read once.

https://hl7.org/fhir/R4/conceptmap.html
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class ConceptMap:
    """`codes` maps a v2 code to a FHIR code, or to `[system, code, display]`."""

    source: str
    target: str
    codes: Mapping[str, Any]

    def code(self, v2: str) -> str | None:
        """Return the FHIR code, or None if the v2 code is not in the table."""
        found = self.codes.get(v2)
        return found[1] if isinstance(found, list) else found

    def coding(self, v2: str) -> dict[str, str] | None:
        """Return the Coding, or None if the v2 code is not in the table."""
        found = self.codes.get(v2)
        if found is None:
            return None
        system, code, display = found if isinstance(found, list) else (self.target, found, "")
        return {"system": system, "code": code} | ({"display": display} if display else {})


@cache
def table(name: str) -> ConceptMap:
    """Return the table `profiles/hl7v2/<name>.json`."""
    data = json.loads((files("profiles") / "hl7v2" / f"{name}.json").read_bytes())
    return ConceptMap(data["source"], data["target"], data["codes"])
