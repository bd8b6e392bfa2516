"""One error, four protocols. https://hl7.org/fhir/R4/operationoutcome.html"""

from __future__ import annotations

import inspect
import re

import pytest

from kernel import errors
from kernel.errors import FhirError, Issue, NotFound, outcome

ALL = [e for _, e in inspect.getmembers(errors, inspect.isclass) if issubclass(e, FhirError)]
TREE = re.compile(r"[├└]── (\w+)\s+(\d+)\s+(\S+)\s+(\d+)\s+(0x[0-9A-F]+)")


def test_an_error_renders_as_an_operation_outcome() -> None:
    assert outcome(NotFound("Resource `Patient/7` was not found.", "Patient")) == {
        "resourceType": "OperationOutcome",
        "issue": [
            {
                "severity": "error",
                "code": "not-found",
                "diagnostics": "Resource `Patient/7` was not found.",
                "expression": ["Patient"],
            }
        ],
    }


def test_an_issue_without_a_place_has_no_expression() -> None:
    assert "expression" not in outcome(NotFound("None."))["issue"][0]  # type: ignore[index]  # plain JSON


def test_all_faults_are_kept() -> None:
    faults = [Issue("value", "One."), Issue("required", "Two.", ("Patient.name",))]

    assert errors.Invalid("Two faults.", issues=faults).issues == tuple(faults)


def test_a_code_may_be_given_where_the_error_is_raised() -> None:
    assert errors.Invalid("No.", code="not-supported").issues[0].code == "not-supported"


def test_the_tree_in_the_docstring_is_what_the_classes_say() -> None:
    drawn = {
        name: (int(status), code, hl7, int(dimse, 16))
        for name, status, code, hl7, dimse in TREE.findall(errors.__doc__ or "")
    }

    said = {e.__name__: (e.status, e.code, e.hl7, e.dimse) for e in ALL if e is not FhirError}

    assert drawn == said


@pytest.mark.parametrize("error", ALL, ids=lambda error: error.__name__)
def test_every_error_says_what_it_means(error: type[FhirError]) -> None:
    assert (error.__doc__ or "").rstrip().endswith(".")


def test_an_issue_with_a_place_in_the_body_says_where() -> None:
    issue = Issue("value", "No.", ("Patient.active",), pointer="/active", line=2, column=9)
    error = errors.Invalid("No.", issues=[issue])

    (told,) = outcome(error)["issue"]  # type: ignore[misc]  # plain JSON
    (batch,) = outcome(error, lines=False)["issue"]  # type: ignore[misc]  # plain JSON

    assert told["location"] == ["/active", "line 2, column 9"]
    assert [extension["valueInteger"] for extension in told["extension"]] == [2, 9]
    assert batch["location"] == ["/active"]
    assert "extension" not in batch
