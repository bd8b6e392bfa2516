"""From a reference to what it points to: contained, in the same Bundle, or wherever the caller looks.

https://hl7.org/fhir/R4/references.html#resolving
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from fhir_server.fhirpath.node import Node, enclosing, root
from fhir_server.tables import RESOURCE_TYPES

if TYPE_CHECKING:
    from fhir_server.fhirpath.scope import Run

_TYPED: Final = re.compile(r"(?:^|/)([A-Z][A-Za-z]{1,60})(?:/[A-Za-z0-9.-]{1,64}|\?)")
_RELATIVE: Final = re.compile(r"[A-Z][A-Za-z]{1,60}/[A-Za-z0-9.-]{1,64}")


def resolved(run: Run, node: Node) -> Node | None:
    """Return the resource that a Reference, canonical or uri points to; None if none is found."""
    reference = _reference(node)
    if reference is None:
        return None
    run.charge(1)
    if reference.startswith("#"):
        return _contained(run, node, reference[1:])
    within = _in_bundle(run, node, reference)
    if within is not None:
        return within
    found = run.resolve(reference) if run.resolve is not None else None
    return None if found is None else root(found)


def stub(reference: str) -> dict[str, Any] | None:
    """Return a resource of only the type and id that a reference tells, for `resolve() is Patient`.

    This is all that a search parameter needs, and nothing is read for it.
    """
    found = _TYPED.search(reference)
    if found is None or found[1] not in RESOURCE_TYPES:
        return None
    rest = reference[found.end(1) + 1 :].partition("/")[0] if not found[0].endswith("?") else ""
    return {"resourceType": found[1], **({"id": rest} if rest else {})}


def _reference(node: Node) -> str | None:
    value = node.value
    if isinstance(value, dict):
        value = value.get("reference") if node.kind.name == "Reference" else None
    return value if isinstance(value, str) and value else None


def _contained(run: Run, node: Node, id: str) -> Node | None:
    """Look in the resource that contains; `#` alone is that resource itself."""
    for holder in enclosing(node):
        if holder.name == "contained":
            continue
        if not id:
            return holder
        inner = holder.value.get("contained")
        for index, resource in enumerate(inner if isinstance(inner, list) else ()):
            run.charge(1)
            if isinstance(resource, dict) and resource.get("id") == id:
                found = root(resource)
                return Node(resource, found.kind, None, holder, "contained", index)
        return None
    return None


def _in_bundle(run: Run, node: Node, reference: str) -> Node | None:
    holders = list(enclosing(node))
    if not holders or holders[-1].kind.name != "Bundle":
        return None
    bundle = holders[-1]
    entries = bundle.value.get("entry")
    wanted = {reference, *_absolute(node, reference)}
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        run.charge(1)
        if isinstance(entry, dict) and _is_wanted(entry, wanted):
            resource = entry["resource"]
            parent = Node(entry, bundle.kind.members["entry"].kind, None, bundle, "entry", index)
            return Node(resource, root(resource).kind, None, parent, "resource")
    return None


def _absolute(node: Node, reference: str) -> set[str]:
    """A relative reference is relative to the base of the entry that it is in."""
    if not _RELATIVE.match(reference):
        return set()
    current: Node | None = node
    while current is not None and current.kind.name != "Bundle.entry":
        current = current.parent
    url = current.value.get("fullUrl") if current is not None else None
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        return set()
    base = url.rsplit("/", 2)[0]
    return {f"{base}/{reference}"}


def _is_wanted(entry: dict[str, Any], wanted: set[str]) -> bool:
    resource = entry.get("resource")
    if not isinstance(resource, dict):
        return False
    url = entry.get("fullUrl")
    return url in wanted if isinstance(url, str) else False
