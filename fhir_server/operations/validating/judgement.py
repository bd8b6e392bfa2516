"""The judgement of one resource by its type and its profiles, as issues of an OperationOutcome.

https://hl7.org/fhir/R4/validation.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from fhir_server import fhirpath, validation
from fhir_server.conformance import Check, Finding, Profiles, Terminology
from fhir_server.fhirpath import Options
from fhir_server.search import ucum
from kernel.errors import FhirError, Issue

if TYPE_CHECKING:
    from fhir_server.operations.validating.sight import Sight

_OPTIONS: Final = Options(forgiving=True, canonical=ucum.canonical)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is judged by what; `profiles` are those that the caller names."""

    sight: Sight
    resource: dict[str, Any]
    profiles: tuple[str, ...] = ()


def judge(task: Judgement) -> list[Issue]:
    """Return all faults and remarks, those of the structure first."""
    resource = task.resource
    base = validation.faults(resource)
    try:
        found = _findings(task)
    except FhirError as error:
        return [*base, *error.issues]
    return [*base, *(_issue(finding) for finding in found if not _is_said(finding, base))]


def _findings(task: Judgement) -> list[Finding]:
    definitions = task.sight.definitions()
    profiles = Profiles(definitions)
    run = Check(
        profiles,
        Terminology(definitions, ucum.valid),
        resolve=task.sight.resolve,
        exists=task.sight.exists,
        options=_OPTIONS,
    )
    root = fhirpath.root(task.resource)
    run.whole(root)
    for canonical in task.profiles:
        run.declared(root, canonical, asked=True)
    return list(run.findings)


def _is_said(finding: Finding, base: list[Issue]) -> bool:
    """Return whether the check of the structure has said the same of the same place."""
    said = (issue for issue in base if finding.expression in issue.expression)
    if finding.rule:
        key = re.compile(rf"(?<![\w-]){re.escape(finding.rule)}(?![\w-])")
        return any(key.search(issue.diagnostics) for issue in said)
    return any(issue.code == finding.code for issue in said)


def _issue(finding: Finding) -> Issue:
    said_by = f" Profile: `{finding.profile}`." if finding.profile else ""
    return Issue(
        finding.code,
        f"{finding.diagnostics}{said_by}",
        (finding.expression,),
        finding.severity,
        finding.pointer,
    )
