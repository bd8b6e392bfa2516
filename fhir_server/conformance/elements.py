"""What a definition says of an element itself: how often, of which type, with which value.

https://hl7.org/fhir/R4/elementdefinition.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fhir_server.conformance.findings import quoted
from fhir_server.conformance.values import meets, within

if TYPE_CHECKING:
    from fhir_server.conformance.check import Check
    from fhir_server.conformance.profiles import Profile
    from fhir_server.conformance.rules import Rule
    from fhir_server.fhirpath import Node

_LISTED: Final = 8  # names in a sentence


def count(run: Check, parent: Node, rule: Rule, found: int, profile: Profile, least: int) -> None:
    what = f"slice `{rule.slice}` of `{rule.stem}`" if rule.slice else f"`{rule.stem}`"
    if found < least:
        need = "must be there" if least == 1 else f"needs {least} entries and has {found}"
        run.add(
            parent,
            "error",
            "required",
            f"{what[0].upper()}{what[1:]} {need}.",
            profile,
            member=rule.stem,
        )
    elif rule.max is not None and found > rule.max:
        need = "is not allowed" if rule.max == 0 else f"has {found} entries, {rule.max} at most"
        run.add(
            parent,
            "error",
            "structure",
            f"{what[0].upper()}{what[1:]} {need}.",
            profile,
            member=rule.stem,
        )


def has_type(run: Check, node: Node, rule: Rule, profile: Profile) -> bool:
    codes = [type.code for type in rule.types]
    if not codes or any(code in node.kind.ancestors or "/" in code for code in codes):
        return True
    listed = ", ".join(f"`{code}`" for code in codes[:_LISTED])
    run.add(
        node,
        "error",
        "structure",
        f"`{node.name}` is of type `{node.kind.name}`, expected {listed}.",
        profile,
    )
    return False


def value(run: Check, node: Node, rule: Rule, profile: Profile) -> None:
    wanted = rule.value
    if wanted is not None and not meets(node.value, wanted):
        word = "exactly" if wanted.exact else "at least"
        run.add(
            node,
            "error",
            "value",
            f"{_shown(node.value)} was found, expected {word} {_shown(wanted.value)}.",
            profile,
        )
    for key, limit in rule.limits:
        if not within(node.value, key, limit):
            run.add(
                node,
                "error",
                "value",
                f"{quoted(node.value)} is beyond the limit {_shown(limit)} (`{key}`).",
                profile,
            )


def profiled(run: Check, node: Node, rule: Rule, profile: Profile) -> None:
    """Check what the type must conform to: one profile of those for this type."""
    named = [
        url
        for type in rule.types
        if type.code in node.kind.ancestors
        for url in type.profiles
        if not any(t.code in node.kind.ancestors and not t.profiles for t in rule.types)
    ]
    if len(named) == 1:
        found = run.profiles.find(named[0], profile.package)
        if found is not None:
            run.conform(node, found)
        elif run.once(named[0]):
            run.add(
                node,
                "information",
                "not-found",
                f"The profile {quoted(named[0])} is not known here, so it was not checked.",
                profile,
            )
        return
    if named and all(run.conforms(node, url, profile.package) is False for url in named):
        listed = ", ".join(f"`{url}`" for url in named[:_LISTED])
        run.add(
            node,
            "error",
            "structure",
            f"`{node.name}` conforms to none of the profiles {listed}.",
            profile,
        )


def _shown(value: Any) -> str:
    """Return a value, objects included, as a sentence shows it."""
    if isinstance(value, dict | list):
        text = _flat(value)
        return f"`{text[:160]}{'…' if len(text) > 160 else ''}`"
    return quoted(value)


def _flat(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_flat(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flat, value)) + "]"
    return str(value)
