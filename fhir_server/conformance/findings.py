"""Findings: what validation against profiles has to say, and where.

https://hl7.org/fhir/R4/operationoutcome.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from fhir_server.fhirpath import Node

Severity = Literal["error", "warning", "information"]

MOST: Final = 500
"""Findings of one run that are kept."""

_QUOTED: Final = 120  # characters of a value in a sentence: canonicals are long


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. `expression` is a FHIRPath with indexes, `pointer` a JSON pointer (RFC 6901).

    `code` is of http://hl7.org/fhir/issue-type; `profile` is the canonical of the profile that
    says so, and `rule` the key of the invariant, "" for others.
    """

    severity: Severity
    code: str
    diagnostics: str
    expression: str
    pointer: str = ""
    profile: str = ""
    rule: str = ""


class Findings:
    """What was found so far, without repetitions: two profiles may say the same."""

    __slots__ = ("_found", "_seen")

    def __init__(self) -> None:
        self._found: list[Finding] = []
        self._seen: set[tuple[str, str, str]] = set()

    def add(self, finding: Finding) -> None:
        what = finding.rule or finding.diagnostics
        key = (finding.expression, finding.code, what)
        if key not in self._seen and len(self._found) < MOST:
            self._seen.add(key)
            self._found.append(finding)

    @property
    def failed(self) -> bool:
        return any(finding.severity == "error" for finding in self._found)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


def pointer(node: Node, *more: str) -> str:
    """Return the JSON pointer of a node, or of a member of it: `/component/0/valueQuantity`."""
    steps: list[str] = list(more)
    current: Node | None = node
    while current is not None and current.parent is not None:
        if current.index is not None:
            steps.insert(0, str(current.index))
        steps.insert(0, _member(current, current.parent))
        current = current.parent
    return "".join(f"/{step.replace('~', '~0').replace('/', '~1')}" for step in steps)


def _member(node: Node, parent: Node) -> str:
    """Return the JSON name: that of a choice says the type."""
    described = parent.kind.members.get(node.name)
    if described is not None:
        for form, (_, kind) in described.forms.items():
            if kind is node.kind and not form.startswith("_"):
                return form
    return node.name


def quoted(value: Any) -> str:
    """Return a value as a sentence shows it."""
    if isinstance(value, dict):
        return "`an object`"
    if isinstance(value, list):
        return "`an array`"
    if value is None or isinstance(value, bool):
        return f"`{ {None: 'null', True: 'true', False: 'false'}[value] }`"
    text = str(value)
    return f"`{text[:_QUOTED]}{'…' if len(text) > _QUOTED else ''}`"
