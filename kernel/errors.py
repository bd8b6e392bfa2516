"""One error vocabulary; every transport renders it in its own way.

https://hl7.org/fhir/R4/operationoutcome.html

    FhirError                 HTTP  issue code     0357  DIMSE
    ├── Invalid               400   invalid        207   0xC000
    │   ├── BadStructure      400   structure      102   0xC000
    │   └── BadValue          400   value          103   0xC000
    ├── Unauthenticated       401   login          207   0x0124
    ├── Forbidden             403   forbidden      207   0x0124
    ├── NotFound              404   not-found      204   0x0112
    ├── MethodNotAllowed      405   not-supported  207   0x0211
    ├── NotAcceptable         406   not-supported  207   0x0122
    ├── Conflict              409   conflict       207   0x0110
    ├── Gone                  410   deleted        204   0x0112
    ├── PreconditionFailed    412   conflict       205   0x0110
    │   └── MultipleMatches   412   multiple-matches 205 0x0110
    ├── TooLarge              413   too-long       207   0xA700
    ├── UnsupportedMediaType  415   not-supported  207   0x0122
    ├── Unprocessable         422   processing     207   0xC000
    ├── TooMany               429   throttled      207   0xA700
    └── Unavailable           503   transient      207   0xA700

HL7 table 0357 is in HL7 v2.5.1 §2.16.5 (ERR-3); DIMSE statuses are those of DICOM PS3.7 Annex C.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Issue:
    """One fault: `code` of http://hl7.org/fhir/issue-type, a sentence, and FHIRPaths.

    `pointer` is a JSON pointer into the caller's body, `line` and `column` count from 1 in it; ""
    and 0 where there is none to point into.
    """

    code: str
    diagnostics: str
    expression: tuple[str, ...] = ()
    severity: str = "error"
    pointer: str = ""
    line: int = 0
    column: int = 0


class FhirError(Exception):
    """Base of every error that a caller may see; `issues` holds all faults found."""

    status: ClassVar[int] = 500  # HTTP
    code: ClassVar[str] = "exception"  # FHIR issue-type
    hl7: ClassVar[str] = "207"  # HL7 table 0357
    dimse: ClassVar[int] = 0x0110  # DICOM PS3.7 Annex C, processing failure

    def __init__(
        self, diagnostics: str, *expression: str, issues: Sequence[Issue] = (), code: str = ""
    ) -> None:
        super().__init__(diagnostics)
        self.issues = tuple(issues) or (Issue(code or self.code, diagnostics, expression),)


class Invalid(FhirError):
    """The content or the request breaks a rule of the specification."""

    status, code, hl7, dimse = 400, "invalid", "207", 0xC000


class BadStructure(Invalid):
    """The bytes are not what they claim to be: JSON, a message, a data set."""

    code, hl7 = "structure", "102"


class BadValue(Invalid):
    """A value has the wrong type or format."""

    code, hl7 = "value", "103"


class Unauthenticated(FhirError):
    """The caller did not say who it is, or not convincingly."""

    status, code, dimse = 401, "login", 0x0124


class Forbidden(FhirError):
    """The caller's scopes do not allow this."""

    status, code, dimse = 403, "forbidden", 0x0124


class NotFound(FhirError):
    """The id was never used, or the caller may not know of it."""

    status, code, hl7, dimse = 404, "not-found", "204", 0x0112


class MethodNotAllowed(FhirError):
    """The resource is there; this interaction on it is not."""

    status, code, dimse = 405, "not-supported", 0x0211


class NotAcceptable(FhirError):
    """No representation that the caller accepts."""

    status, code, dimse = 406, "not-supported", 0x0122


class Conflict(FhirError):
    """The request contradicts the current state."""

    status, code = 409, "conflict"


class Gone(FhirError):
    """The current version is a deletion."""

    status, code, hl7, dimse = 410, "deleted", "204", 0x0112


class PreconditionFailed(FhirError):
    """`If-Match` named another version than the current one."""

    status, code, hl7 = 412, "conflict", "205"


class MultipleMatches(PreconditionFailed):
    """The criteria of a conditional interaction select more than one resource."""

    code = "multiple-matches"


class TooLarge(FhirError):
    """More bytes or entries than the server is set to accept."""

    status, code, dimse = 413, "too-long", 0xA700


class UnsupportedMediaType(FhirError):
    """The body is in a format that the server does not read."""

    status, code, dimse = 415, "not-supported", 0x0122


class Unprocessable(FhirError):
    """Well-formed and valid, and still not possible."""

    status, code, dimse = 422, "processing", 0xC000


class TooMany(FhirError):
    """The caller asks faster than it may."""

    status, code, dimse = 429, "throttled", 0xA700


class Unavailable(FhirError):
    """A part that is needed does not answer; trying again may help."""

    status, code, dimse = 503, "transient", 0xA700


def outcome(error: FhirError, *, lines: bool = True) -> dict[str, object]:
    """Return the error as an OperationOutcome; without `lines` where they mean nothing.

    https://hl7.org/fhir/R4/operationoutcome.html
    """
    issues = error.issues if lines else [replace(issue, line=0) for issue in error.issues]
    return {"resourceType": "OperationOutcome", "issue": [_issue(issue) for issue in issues]}


def _issue(issue: Issue) -> dict[str, object]:
    rendered: dict[str, object] = {
        "severity": issue.severity,
        "code": issue.code,
        "diagnostics": issue.diagnostics,
    }
    if issue.line:
        rendered["extension"] = [
            {"url": f"{ISSUE}-line", "valueInteger": issue.line},
            {"url": f"{ISSUE}-col", "valueInteger": issue.column},
        ]
    if location := _location(issue):
        rendered["location"] = location
    if issue.expression:
        rendered["expression"] = list(issue.expression)
    return rendered


def _location(issue: Issue) -> list[str]:
    line = f"line {issue.line}, column {issue.column}" if issue.line else ""
    return [text for text in (issue.pointer, line) if text]


ISSUE: Final = "http://hl7.org/fhir/StructureDefinition/operationoutcome-issue"
"""What the extensions that place an issue have in common."""


INTERNAL: Final = "An unexpected error occurred. It was logged under the id in `X-Request-Id`."
