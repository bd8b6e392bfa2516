"""The walk: one resource against its type, its profiles and its extensions, all findings kept.

https://hl7.org/fhir/R4/validation.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from fhir_server.conformance import (
    bindings,
    bundles,
    constraints,
    elements,
    extensions,
    questionnaires,
    slicing,
    targets,
)
from fhir_server.conformance.discriminators import Judge
from fhir_server.conformance.findings import Finding, Findings, Severity, pointer, quoted
from fhir_server.fhirpath.node import step
from fhir_server.fhirpath.scope import Options
from kernel.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fhir_server.conformance.profiles import Profile, Profiles
    from fhir_server.conformance.rules import Rule
    from fhir_server.conformance.terminology import Terminology
    from fhir_server.fhirpath import Node

STEPS: Final = 1_000_000
"""Rules that one run may apply."""


class Check:
    """One run over one resource.

    `resolve` returns what a reference points to, None for what is out of sight. `exists` says of
    a reference that leads nowhere in sight whether it should lead somewhere: False is an error.
    """

    __slots__ = (
        "_done",
        "_entries",
        "_left",
        "_memo",
        "_said",
        "exists",
        "findings",
        "judge",
        "options",
        "profiles",
        "resolve",
        "terminology",
    )

    def __init__(
        self,
        profiles: Profiles,
        terminology: Terminology,
        *,
        resolve: Callable[[str], Mapping[str, Any] | None] | None = None,
        exists: Callable[[str], bool | None] | None = None,
        options: Options | None = None,
    ) -> None:
        self.profiles = profiles
        self.terminology = terminology
        self.resolve = resolve
        self.exists = exists
        self.options = options or Options(forgiving=True)
        self.findings = Findings()
        self.judge = Judge(
            profiles,
            lambda node: targets.resolved(self, node),
            lambda value, url, near: bindings.member(self, value, url, near),
            self.conforms,
        )
        self._left = STEPS
        self._memo: dict[tuple[int, int], bool] = {}
        self._done: set[tuple[str, int]] = set()
        self._said: set[str] = set()
        self._entries: dict[int, dict[str, Node]] = {}

    def charge(self) -> None:
        """Count work.

        Raises:
            Invalid: the resource and its profiles cost more than a run may.
        """
        self._left -= 1
        if self._left < 0:
            raise Invalid(
                "The resource is too large to be judged by its profiles.", code="too-costly"
            )

    def add(
        self,
        node: Node,
        severity: Severity,
        code: str,
        sentence: str,
        profile: Profile | None = None,
        *,
        member: str = "",
        rule: str = "",
    ) -> None:
        """Keep a finding at a node, or at a member of it that may be missing."""
        place = f"{node.path}.{member}" if member else node.path
        at = pointer(node, member) if member else pointer(node)
        said_by = profile.canonical if profile is not None and profile.constrains else ""
        self.findings.add(Finding(severity, code, sentence, place, at, said_by, rule))

    def entries_of(self, bundle: Node) -> Mapping[str, Node]:
        """Return the resources of a Bundle by `fullUrl`, and by type and id."""
        known = self._entries.get(id(bundle.value))
        if known is None:
            known = self._entries[id(bundle.value)] = bundles.index(bundle)
        return known

    def once(self, what: str) -> bool:
        """Return whether this is the first time that something is said in this run."""
        fresh = what not in self._said
        self._said.add(what)
        return fresh

    def whole(self, node: Node) -> None:
        """Check a resource against its type, and what it says that it conforms to."""
        base = self.profiles.of_type(node.kind.name)
        if base is not None:
            self.conform(node, base, deep=True)
        for index, canonical in enumerate(_declared(node)):
            self.declared(node, canonical, f"meta.profile[{index}]")

    def declared(
        self, node: Node, canonical: str, member: str = "", *, asked: bool = False
    ) -> None:
        """Check a resource against a profile by name.

        One that is not known is a warning, and an error if somebody has asked for it.
        """
        profile = self.profiles.find(canonical)
        if profile is None:
            why = self.profiles.faults.get(canonical)
            reason = f"cannot be used: {why}" if why else "is not known here, so it was not checked"
            self.add(
                node,
                "error" if asked else "warning",
                "not-found",
                f"The profile {quoted(canonical)} {reason}. Install its package, or leave it out.",
                member=member,
            )
        elif profile.type not in node.kind.ancestors:
            self.add(
                node,
                "error",
                "structure",
                f"The profile {quoted(canonical)} is for `{profile.type}`, and this is a "
                f"`{node.kind.name}`.",
                member=member,
            )
        else:
            self.conform(node, profile)

    def conforms(self, node: Node, canonical: str, near: str = "") -> bool | None:
        """Return whether a node conforms, without keeping the findings; None if not known."""
        profile = self.profiles.find(canonical, near)
        if profile is None:
            return None
        if profile.type not in node.kind.ancestors:
            return False
        key = (id(node.value), id(profile))
        known = self._memo.get(key)
        if known is None:
            self._memo[key] = True  # what refers back to itself conforms if all else does
            kept, done, said = self.findings, self._done, self._said
            self.findings, self._done, self._said = Findings(), set(), set()
            self.conform(node, profile)
            known = self._memo[key] = not self.findings.failed
            self.findings, self._done, self._said = kept, done, said
        return known

    def conform(self, node: Node, profile: Profile, *, deep: bool = False) -> None:
        """Check a node against a profile; `deep` follows into the types of what is inside."""
        key = (node.path, id(profile))
        if key in self._done:
            return
        self._done.add(key)
        self._rule(node, profile.root, profile, deep=deep)

    def _rule(self, node: Node, rule: Rule, profile: Profile, *, deep: bool) -> None:
        self.charge()
        if not elements.has_type(self, node, rule, profile):
            return
        elements.value(self, node, rule, profile)
        if rule.binding is not None:
            bindings.check(self, node, rule.binding, profile)
        for constraint in rule.constraints:
            constraints.check(self, node, constraint, profile)
        if rule.types:
            elements.profiled(self, node, rule, profile)
            targets.check(self, node, rule, profile)
        children = self.children(rule, profile)
        if children:
            self.content(node, children, profile, deep=deep)
        if deep:
            self._descend(node, rule, followed=bool(children))

    def children(self, rule: Rule, profile: Profile) -> tuple[Rule, ...]:
        """Return the rules of what is inside, those of a content reference included."""
        if not rule.reference or rule.children:
            return rule.children
        referred = profile.elements.get(rule.reference.partition("#")[2])
        return referred.children if referred is not None else ()

    def content(
        self, node: Node, rules: Iterable[Rule], profile: Profile, *, deep: bool = False
    ) -> None:
        for rule in rules:
            found: list[Node] = []
            step(node, rule.stem, found)
            self.entries(node, rule, found, profile, deep=deep)

    def entries(
        self,
        parent: Node,
        rule: Rule,
        found: list[Node],
        profile: Profile,
        *,
        deep: bool = False,
        least: int | None = None,
    ) -> None:
        """Check all entries of an element or slice; `least` is what must be there instead."""
        elements.count(
            self, parent, rule, len(found), profile, rule.min if least is None else least
        )
        if rule.max == 0:
            return
        for node in found:
            self._rule(node, rule, profile, deep=deep)
        if rule.slices and (found or not rule.min):
            slicing.check(self, parent, rule, found, profile)

    def _descend(self, node: Node, rule: Rule, *, followed: bool) -> None:
        """Follow into the definition of what the element is, where the rules do not."""
        kind = node.kind
        # Where nothing was followed yet, the definition of the type comes next, and this again.
        if (followed or kind.primitive) and (own := _OWN.get(kind.name)) is not None:
            own(self, node)
        if kind.resource:
            if node.parent is not None and not followed:
                self.whole(node)
        elif kind.primitive:
            inner: list[Node] = []
            step(node, "extension", inner)
            for extension in inner:
                self._descend(extension, rule, followed=False)
        elif not followed and (base := self.profiles.of_type(kind.name)) is not None:
            self.conform(node, base, deep=True)


_OWN: Final[dict[str, Callable[[Check, Node], None]]] = {
    "Bundle": bundles.check,
    "QuestionnaireResponse": questionnaires.check,
    "Extension": extensions.check,
    "Reference": targets.existence,
    "canonical": targets.canonical,
    "Coding": bindings.exists,
    "Quantity": bindings.exists,
}
"""What is said of some types beyond their definitions."""


def _declared(node: Node) -> list[str]:
    meta = node.value.get("meta") if isinstance(node.value, dict) else None
    named = meta.get("profile") if isinstance(meta, dict) else None
    return [url for url in named if isinstance(url, str)] if isinstance(named, list) else []
