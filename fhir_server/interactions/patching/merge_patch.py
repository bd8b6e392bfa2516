"""JSON Merge Patch: members that replace, and null that removes.

https://www.rfc-editor.org/rfc/rfc7396

R4 does not name it; it is what clients mean that PATCH a resource with some of its members.
"""

from __future__ import annotations

from typing import Any


def apply(resource: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """Return the resource with the members of the patch; arrays are replaced as a whole."""
    merged = dict(resource)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, dict):
            current = merged.get(name)
            merged[name] = apply(current if isinstance(current, dict) else {}, value)
        else:
            merged[name] = value
    return merged
