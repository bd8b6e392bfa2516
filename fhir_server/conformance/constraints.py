"""Invariants: FHIRPath expressions that must not be false.

https://hl7.org/fhir/R4/conformance-rules.html#constraints
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fhir_server import fhirpath
from fhir_server.conformance import bindings
from kernel.errors import Invalid

if TYPE_CHECKING:
    from fhir_server.conformance.check import Check
    from fhir_server.conformance.findings import Severity
    from fhir_server.conformance.profiles import Profile
    from fhir_server.conformance.rules import Constraint
    from fhir_server.fhirpath import Node

_STRUCTURE: Final = frozenset({"ele-1", "txt-1", "txt-2"})
"""Rules that the check of the structure tells of, empty objects and the narrative's XHTML."""

_CORRECTED: Final = {
    # R4 has `Boolean`, which is FHIRPath's own type and none that an answer can have.
    "operator = 'exists' implies (answer is Boolean)": "operator = 'exists' implies (answer is boolean)",
}
"""Expressions of R4 that do not say what they mean."""

_LONGEST: Final = 200  # characters of an expression in a sentence

_OUTSIDE: Final = ("resolve(", "memberOf(", "conformsTo(", " > ", " < ", ">=", "<=", "%")
"""What asks for more than the resource itself: other resources, value sets, units."""


def check(run: Check, node: Node, constraint: Constraint, profile: Profile) -> None:
    """Evaluate an invariant on a node."""
    if constraint.key in _STRUCTURE or (constraint.key == "dom-6" and node.name == "contained"):
        return  # what is contained is told in the narrative of what contains it
    try:
        holds = _holds(run, node, constraint.expression, profile)
    except Invalid as error:
        if run.once(f"invariant {constraint.key} {constraint.expression}"):
            run.add(
                node,
                "information",
                "informational",
                f"The invariant `{constraint.key}` was not judged: {error}",
                profile,
                rule=constraint.key,
            )
        return
    if not holds:
        severity: Severity = "warning" if constraint.severity == "warning" else "error"
        run.add(
            node,
            severity,
            "invariant",
            _sentence(constraint),
            profile,
            rule=constraint.key,
        )


def _sentence(constraint: Constraint) -> str:
    """Return what an invariant says, with its key and, unless it is long, its expression."""
    said = " ".join(constraint.human.split()).rstrip(".:")
    short = f": `{constraint.expression}`" if len(constraint.expression) <= _LONGEST else ""
    return f"{said}{short} ({constraint.key})."


def _holds(run: Check, node: Node, text: str, profile: Profile) -> bool:
    expression = fhirpath.compile(_CORRECTED.get(text, text))
    if not any(word in text for word in _OUTSIDE):
        return expression.holds(node)

    def member_of(value: Any, value_set: str) -> bool | None:
        return bindings.member(run, value, value_set, profile.package)

    def conforms_to(value: Any, canonical: str) -> bool | None:
        return run.conforms(fhirpath.root(value), canonical, profile.package)

    found = expression.evaluate(
        node,
        resolve=run.resolve,
        member_of=member_of,
        conforms_to=conforms_to,
        options=run.options,
    )
    return not (len(found) == 1 and found[0].value is False)
