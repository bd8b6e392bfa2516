"""Admission: how far a resource is checked before it is stored, as the settings say.

https://hl7.org/fhir/R4/validation.html

`off` asks for JSON of the right type only. `structure` is R4's shape, formats, required codes and
the invariants that are met most; `strict` adds all other invariants. `profiles-declared` adds the
profiles that a resource names itself, and `profiles-required` wants it to name one that is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

from fhir_server import fhirpath, validation
from fhir_server.conformance import Builtin, Chain, Check, Profiles, Terminology
from fhir_server.fhirpath import Options
from fhir_server.search import ucum
from fhir_server.tables import RESOURCE_TYPES
from fhir_server.validation.position import placed
from kernel.errors import FhirError, Invalid, Issue
from kernel.settings import levels_by_type

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fhir_server.conformance import Definitions, Finding
    from kernel.settings import Fhir, Level

_OPTIONS: Final = Options(forgiving=True, canonical=ucum.canonical)
_PROFILED: Final = frozenset({"profiles-declared", "profiles-required"})


@dataclass(frozen=True, slots=True)
class Admission:
    """The level of the server, and those of single types."""

    default: Level
    by_type: Mapping[str, Level] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Fhir) -> Admission:
        """Return what the settings ask for.

        Raises:
            ValueError: a level is set for what is no resource type.
        """
        by_type = levels_by_type(settings.validation_by_type)
        for type in by_type:
            if type not in RESOURCE_TYPES:
                near = get_close_matches(type, RESOURCE_TYPES, 1)
                hint = f" Did you mean `{near[0]}`?" if near else ""
                raise ValueError(
                    f"`MEDFLOW_FHIR__VALIDATION_BY_TYPE`: `{type[:60]}` is not a resource type of"
                    f" R4.{hint}"
                )
        return cls(settings.validation, by_type)

    def level(self, type: str) -> Level:
        return self.by_type.get(type, self.default)

    def check(
        self, resource: dict[str, Any], type: str, packages: Definitions, body: bytes = b""
    ) -> None:
        """Refuse what does not reach the level of its type.

        `packages` are the definitions beyond R4's own; `body` are the bytes that the caller sent,
        so that faults have lines.

        Raises:
            Invalid: with all faults found.
        """
        level = self.level(type)
        if level == "off":
            return
        if level not in _PROFILED:
            validation.validate(resource, type, strict=level == "strict", body=body)
            return
        issues = _profiled(resource, type, packages, required=level == "profiles-required")
        if issues:
            raise Invalid(issues[0].diagnostics, issues=placed(issues, body) if body else issues)


def _profiled(
    resource: dict[str, Any], type: str, packages: Definitions, *, required: bool
) -> list[Issue]:
    """Return the faults that R4 and the declared profiles see, each place's once."""
    base = validation.faults(resource, type, strict=True)
    definitions = Chain(packages, Builtin())
    profiles = Profiles(definitions)
    run = Check(profiles, Terminology(definitions, ucum.valid), options=_OPTIONS)
    try:
        run.whole(fhirpath.root(resource))
    except FhirError as error:
        return [*base, *error.issues]
    said = {(issue.code, path) for issue in base for path in issue.expression}
    found = [*base, *(_issue(f) for f in run.findings if _counts(f, said))]
    if required and not any(profiles.find(canonical) for canonical in _declared(resource)):
        found.append(_undeclared(type))
    return found


def _counts(finding: Finding, said: set[tuple[str, str]]) -> bool:
    return finding.severity == "error" and (finding.code, finding.expression) not in said


def _issue(finding: Finding) -> Issue:
    said_by = f" Profile: `{finding.profile}`." if finding.profile else ""
    return Issue(
        finding.code,
        f"{finding.diagnostics}{said_by}",
        (finding.expression,),
        pointer=finding.pointer,
    )


def _declared(resource: dict[str, Any]) -> Iterator[str]:
    meta = resource.get("meta")
    named = meta.get("profile") if isinstance(meta, dict) else None
    for canonical in named if isinstance(named, list) else ():
        if isinstance(canonical, str):
            yield canonical


def _undeclared(type: str) -> Issue:
    return Issue(
        "required",
        f"`meta.profile` names no profile that is known here: every {type} must conform to one."
        " Name it, or install its package.",
        (f"{type}.meta.profile",),
        pointer="/meta/profile",
    )
