"""References: what they may point to, by type, profile and place.

https://hl7.org/fhir/R4/references.html
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from fhir_server import fhirpath
from fhir_server.conformance.findings import quoted
from fhir_server.conformance.profiles import BASE
from fhir_server.fhirpath.node import enclosing
from fhir_server.validation import references

if TYPE_CHECKING:
    from fhir_server.conformance.check import Check
    from fhir_server.conformance.profiles import Profile
    from fhir_server.conformance.rules import Rule
    from fhir_server.fhirpath import Node

_RESOLVE: Final = fhirpath.compile("resolve()")
_CANONICAL: Final = re.compile(r"#|[A-Za-z][A-Za-z0-9+.-]{0,40}:")
_ANY: Final = frozenset({f"{BASE}Resource"})


def resolved(run: Check, node: Node) -> Node | None:
    """Return what a reference points to: contained, in the Bundle, or where the caller looks.

    Strictly, a relative reference is relative to a `fullUrl` that is a RESTful address, and leads
    nowhere from a `urn:uuid:`; the published examples of several guides think otherwise, so that
    an entry with the type and id will do.
    """
    value = node.value.get("reference") if isinstance(node.value, dict) else node.value
    if not isinstance(value, str) or not value:
        return None
    if value.startswith("#"):
        found = _RESOLVE.evaluate(node)
        return found[0] if found else None
    bundles = [holder for holder in enclosing(node) if holder.kind.name == "Bundle"]
    if bundles:
        entries = run.entries_of(bundles[-1])
        for name in (value, _absolute(node, value), value.partition("/_history/")[0]):
            if name in entries:
                return entries[name]
    resource = run.resolve(value) if run.resolve is not None else None
    return None if resource is None else fhirpath.root(resource)


def _absolute(node: Node, reference: str) -> str:
    """Return a relative reference as relative to the address of the entry that it is in."""
    current: Node | None = node
    while current is not None and current.kind.name != "Bundle.entry":
        current = current.parent
    url = current.value.get("fullUrl") if current is not None else None
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        return reference
    return f"{url.rsplit('/', 2)[0]}/{reference}"


def check(run: Check, node: Node, rule: Rule, profile: Profile) -> None:
    """Judge the type of what a reference points to, and the target itself if it is in sight."""
    if node.kind.name != "Reference" or not isinstance(node.value, dict):
        return
    types = [type for type in rule.types if type.code == "Reference"]
    wanted = [target for type in types for target in type.targets]
    if not wanted or not _ANY.isdisjoint(wanted):
        return
    target = resolved(run, node)
    kind = _kind(node, target)
    if kind is None:
        return
    allowed = [(url, run.profiles.find(url, profile.package)) for url in wanted]
    if any(found is None for _, found in allowed):
        return
    matching = [(url, p) for url, p in allowed if p is not None and _is_of(kind, p.type)]
    if not matching:
        listed = ", ".join(f"`{url.removeprefix(BASE)}`" for url in wanted[:8])
        said = node.value.get("reference") or node.value.get("type")
        run.add(
            node,
            "error",
            "value",
            f"{quoted(said)} points to a {kind}, expected a reference to {listed}.",
            profile,
            member="reference" if "reference" in node.value else "type",
        )
    elif target is not None and all(p.constrains for _, p in matching):
        _conforming(run, node, target, [url for url, _ in matching], profile)


def existence(run: Check, node: Node) -> None:
    """Judge whether there is what a reference points to, if somebody can tell."""
    reference = node.value.get("reference") if isinstance(node.value, dict) else None
    if run.exists is None or not isinstance(reference, str) or reference.startswith("#"):
        return
    if resolved(run, node) is None and run.exists(reference) is False:
        run.add(
            node,
            "error",
            "not-found",
            f"{quoted(reference)} is not there, or not for you to see.",
            member="reference",
        )


def canonical(run: Check, node: Node) -> None:
    """A canonical is not relative to anything; R4's own examples are, so that it is a warning."""
    if isinstance(node.value, str) and not _CANONICAL.match(node.value):
        run.add(
            node,
            "warning",
            "value",
            f"{quoted(node.value)} is no canonical: expected an absolute URL, or `#` and an id.",
        )


def _conforming(run: Check, node: Node, target: Node, urls: list[str], profile: Profile) -> None:
    answers = [run.conforms(target, url, profile.package) for url in urls]
    if all(answer is False for answer in answers):
        listed = ", ".join(f"`{url}`" for url in urls[:8])
        run.add(
            node,
            "error",
            "structure",
            f"{quoted(node.value.get('reference'))} points to a {target.kind.name} that does not "
            f"conform to {listed}.",
            profile,
            member="reference",
        )


def _kind(node: Node, target: Node | None) -> str | None:
    """Return the type that is pointed to, as far as it can be told."""
    if target is not None:
        return target.kind.name
    reference: Any = node.value.get("reference")
    literal = references.target(reference)
    stub = fhirpath.stub(reference) if literal is None and isinstance(reference, str) else None
    said = node.value.get("type")
    kind = literal or (stub["resourceType"] if stub else None) or said
    return kind if isinstance(kind, str) else None


def _is_of(kind: str, type: str) -> bool:
    return kind == type or type in fhirpath.root({}, kind).kind.ancestors
