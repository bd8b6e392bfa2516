"""Slicing: which entry belongs to which slice, and what slices must hold.

https://hl7.org/fhir/R4/profiling.html#slicing
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fhir_server.conformance.discriminators import belongs

if TYPE_CHECKING:
    from fhir_server.conformance.check import Check
    from fhir_server.conformance.profiles import Profile
    from fhir_server.conformance.rules import Rule, Slicing
    from fhir_server.fhirpath import Node

DEFAULT: Final = "@default"
"""The slice of what is in no other."""


def check(run: Check, parent: Node, rule: Rule, found: list[Node], profile: Profile) -> None:
    """Divide the entries of an element, and check each slice."""
    slicing = rule.slicing
    slices = [slice for slice in rule.slices if slice.slice != DEFAULT]
    if slicing is None or not slicing.discriminators:
        _not_judged(run, parent, rule, profile)
        return
    places = [_place(run, node, slices, slicing, profile.package) for node in found]
    unsure = any(place is None for place in places)
    if unsure:
        _not_judged(run, parent, rule, profile)
    for index, slice in enumerate(slices):
        mine = [node for node, place in zip(found, places, strict=True) if place == index]
        run.entries(parent, slice, mine, profile, least=0 if unsure else None)
    rest = [node for node, place in zip(found, places, strict=True) if place == -1]
    _rest(run, parent, rule, rest, profile)
    _order(run, found, places, slicing, profile)


def _place(run: Check, node: Node, slices: list[Rule], slicing: Slicing, near: str) -> int | None:
    """Return the number of the slice of an entry: -1 for no slice, None if it cannot be told."""
    unsure = False
    for index, slice in enumerate(slices):
        run.charge()
        answer: bool | None = True
        for discriminator in slicing.discriminators:
            one = belongs(run.judge, node, slice, near, discriminator)
            if one is False:
                answer = False
                break
            answer = None if one is None else answer
        if answer:
            return index
        unsure = unsure or answer is None
    return None if unsure else -1


def _rest(run: Check, parent: Node, rule: Rule, rest: list[Node], profile: Profile) -> None:
    default = next((slice for slice in rule.slices if slice.slice == DEFAULT), None)
    if default is not None:
        run.entries(parent, default, rest, profile)
    elif rule.slicing is not None and rule.slicing.rules == "closed":
        for node in rest:
            names = ", ".join(f"`{slice.slice}`" for slice in rule.slices[:8])
            run.add(
                node,
                "error",
                "structure",
                f"This entry of `{rule.stem}` is in no slice, and others are not allowed; "
                f"expected {names}.",
                profile,
            )


def _order(
    run: Check,
    found: list[Node],
    places: list[int | None],
    slicing: Slicing,
    profile: Profile,
) -> None:
    last, open_end = -1, False
    for node, place in zip(found, places, strict=True):
        if place is None:
            continue
        if place == -1:
            open_end = True
            continue
        if open_end and slicing.rules == "openAtEnd":
            run.add(
                node,
                "error",
                "structure",
                f"This entry of `{node.name}` comes after one that is in no slice; those come last.",
                profile,
            )
        if slicing.ordered and place < last:
            run.add(
                node,
                "error",
                "structure",
                f"This entry of `{node.name}` is out of order: its slice comes earlier.",
                profile,
            )
        last = max(last, place)


def _not_judged(run: Check, parent: Node, rule: Rule, profile: Profile) -> None:
    if run.once(f"slicing {profile.canonical} {rule.id}"):
        run.add(
            parent,
            "information",
            "informational",
            f"The slices of `{rule.stem}` cannot be told apart here, so they were not judged.",
            profile,
            member=rule.stem,
        )
