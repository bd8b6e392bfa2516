"""Extensions: each against its own definition, and only where that says it may stand.

https://hl7.org/fhir/R4/defining-extensions.html#context
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fhir_server.conformance.findings import quoted

if TYPE_CHECKING:
    from fhir_server.conformance.check import Check
    from fhir_server.conformance.profiles import Profile
    from fhir_server.fhirpath import Node


_R4: Final = "http://hl7.org/fhir/StructureDefinition/"
_ELSEWHERE: Final = frozenset(
    f"{_R4}{name}"
    for name in (
        "structuredefinition-fhir-type",
        "structuredefinition-standards-status",
        "structuredefinition-normative-version",
        "valueset-concept-comments",
    )
)
"""Extensions that R4's own definitions use where their definitions do not allow it."""


def check(run: Check, node: Node) -> None:
    """Judge one extension; those inside of another one are judged by its definition."""
    url = node.value.get("url") if isinstance(node.value, dict) else None
    if not isinstance(url, str) or ":" not in url:
        return
    modifies = node.name == "modifierExtension"
    profile = run.profiles.find(url)
    if profile is None:
        _unknown(run, node, url, modifies=modifies)
        return
    if profile.type != "Extension":
        run.add(node, "error", "structure", f"{quoted(url)} is not an extension.", member="url")
        return
    if modifies != profile.root.modifier:
        right = "modifierExtension" if profile.root.modifier else "extension"
        run.add(
            node,
            "error",
            "structure",
            f"The extension {quoted(url)} is given as `{node.name}`, expected `{right}`.",
        )
    if not _may_stand(node, profile) and url not in _ELSEWHERE:
        places = ", ".join(f"`{expression}`" for _, expression in profile.contexts[:8])
        run.add(
            node,
            "error",
            "structure",
            f"The extension {quoted(url)} may not stand here, expected it on {places}.",
        )
    run.conform(node, profile)


def _unknown(run: Check, node: Node, url: str, *, modifies: bool) -> None:
    said = f"The extension {quoted(url)} is not known here, so it was not judged."
    if modifies:
        run.add(node, "warning", "extension", f"{said} It changes the meaning of what it is in.")
    elif run.once(f"extension {url}"):
        run.add(node, "information", "informational", said)


def _may_stand(node: Node, profile: Profile) -> bool:
    holder = node.parent
    if holder is None or not profile.contexts:
        return True
    names = _names(holder)
    return any(_fits(type, expression, holder, names) for type, expression in profile.contexts)


def _fits(type: str, expression: str, holder: Node, names: set[str]) -> bool:
    if type == "extension":
        return isinstance(holder.value, dict) and holder.value.get("url") == expression
    if type != "element" or expression == "Element":
        return True  # a FHIRPath is a condition; R4 has extensions of elements on resources too
    return expression.rpartition("#")[2].replace("[x]", "") in names


def _names(holder: Node) -> set[str]:
    """Return all that a context may call an element: `Patient.name`, `HumanName`, `Element`."""
    names = set(holder.kind.ancestors)
    tail = ""
    current: Node | None = holder
    while current is not None and current.parent is not None and not _starts(current):
        tail = f".{current.name}{tail}"
        names |= {f"{name}{tail}" for name in current.parent.kind.ancestors}
        current = current.parent
    return names


def _starts(node: Node) -> Any:
    return node.kind.resource
