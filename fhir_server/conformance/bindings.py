"""Bindings: a code from the value set, as strongly as the profile wants it.

https://hl7.org/fhir/R4/terminologies.html#strength
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fhir_server.conformance.findings import Severity, quoted

if TYPE_CHECKING:
    from fhir_server.conformance.check import Check
    from fhir_server.conformance.profiles import Profile
    from fhir_server.conformance.rules import Binding
    from fhir_server.fhirpath import Node

_SEVERITY: Final[dict[str, Severity]] = {
    "required": "error",
    "extensible": "warning",
    "preferred": "information",
}
GROWING: Final = "http://terminology.hl7.org/"
_CODED: Final = frozenset({"Coding", "CodeableConcept", "Quantity"})


def check(run: Check, node: Node, binding: Binding, profile: Profile) -> None:
    """Judge a coded element; what is only text is no code to judge, unless one is required."""
    severity = _SEVERITY.get(binding.strength)
    if severity is None or not _is_coded(node):
        return
    _one(run, node, binding.value_set, severity, profile)
    if binding.widest and binding.strength != "required" and _codes(node.value):
        _one(run, node, binding.widest, "error", profile)


def _one(run: Check, node: Node, value_set: str, severity: Severity, profile: Profile) -> None:
    codes = _codes(node.value)
    if not codes:
        if severity == "error" and isinstance(node.value, dict):
            run.add(
                node,
                "error",
                "code-invalid",
                f"There is no code, and one of the value set `{value_set}` is required.",
                profile,
            )
        return
    answer = member(run, node.value, value_set, profile.package)
    if answer is None:
        _not_judged(run, node, value_set, profile)
    elif not answer:
        listed = ", ".join(_code(*pair) for pair in codes[:4])
        many = "None of " if len(codes) > 1 else ""
        verb = "is" if many else "is not"
        run.add(
            node,
            severity,
            "code-invalid",
            f"{many}{listed} {verb} in the value set `{value_set}`.",
            profile,
        )


def exists(run: Check, node: Node) -> None:
    """Judge whether a code is one of its system at all, if the whole system is held here."""
    for system, code in _codes(node.value):
        if system is None or run.terminology.exists(system, code) is not False:
            continue
        run.add(
            node,
            # Systems of HL7's terminology grow apart from R4, whose copy is what is held here.
            "warning" if system.startswith(GROWING) else "error",
            "code-invalid",
            f"{quoted(code)} is not a code of the system `{system[:200]}`.",
            member="code",
        )


def _code(system: str | None, code: str) -> str:
    return quoted(f"{system}|{code}" if system else code)


def _not_judged(run: Check, node: Node, value_set: str, profile: Profile) -> None:
    if run.once(value_set):
        known = run.terminology.enumerable(value_set, profile.package)
        why = "has codes of systems that are not held here" if known else "is not known here"
        run.add(
            node,
            "information",
            "informational",
            f"The value set `{value_set}` {why}, so the code was not judged.",
            profile,
        )


def _is_coded(node: Node) -> bool:
    kind = node.kind
    if isinstance(node.value, str):
        return kind.primitive
    return isinstance(node.value, dict) and not _CODED.isdisjoint(kind.ancestors)


def _codes(value: Any) -> list[tuple[str | None, str]]:
    """Return the codes of a value with their systems; None where it does not name one."""
    if isinstance(value, str):
        return [(None, value)]
    codings = value.get("coding", [value]) if isinstance(value, dict) else []
    if not isinstance(codings, list):
        return []
    return [
        (_text(coding.get("system")), coding["code"])
        for coding in codings
        if isinstance(coding, dict) and isinstance(coding.get("code"), str)
    ]


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def member(run: Check, value: Any, value_set: str, near: str) -> bool | None:
    """Return whether any code of a value is in a value set; None if it cannot be told."""
    terminology = run.terminology
    plain = isinstance(value, str)
    unknown = False
    for system, code in _codes(value):
        # A Coding without a system says nothing of what its code means; a `code` never has one.
        answer = (
            False
            if system is None and not plain
            else terminology.member(value_set, system, code, near)
        )
        if answer:
            return True
        unknown = unknown or answer is None
    return None if unknown else False
