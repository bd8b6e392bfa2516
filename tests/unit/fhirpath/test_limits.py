"""Hostile expressions: what they may cost, and that they end.

https://hl7.org/fhirpath/N1/#expressions
"""

from __future__ import annotations

from typing import Any, Final

import pytest

from fhir_server import fhirpath
from fhir_server.fhirpath import Options
from kernel.errors import Invalid
from tests.unit.fhirpath.asking import ask

PATIENT: Final[dict[str, Any]] = {
    "resourceType": "Patient",
    "name": [{"given": ["x"] * 20, "family": "y"} for _ in range(20)],
}


@pytest.mark.parametrize(
    "expression",
    [
        # Products of products.
        "name.select(%context.name.select(%context.name.select(%context.name.given)))",
        "descendants().select(%context.descendants().select(%context.descendants())).count()",
        # Doubling a collection, and a string, again and again.
        "name.given.aggregate($total.combine($total).combine($this), 'x').count()",
        "name.given.aggregate($total & $total, 'x').length()",
        "name.given.aggregate($total + $total, 'x').length()",
        "name.given.aggregate($total.replace('x', 'xxxxxxxx'), 'x').length()",
        "name.given.aggregate($total.replaceMatches('x', 'xxxxxxxx'), 'x').length()",
        "name.given.aggregate(($total | ('x' & $total)).join('xxxx'), 'x').length()",
        "name.given.aggregate($total.escape('html').escape('html').encode('hex'), '<').length()",
        # A repeat that always finds something new.
        "'x'.repeat($this & 'x')",
        "1.repeat($this + 1).count()",
        # Comparing everything with everything.
        "descendants().combine(descendants()).combine(descendants()).select("
        "%context.descendants() ~ %context.descendants()).count()",
    ],
)
def test_an_expression_that_never_ends_is_stopped(expression: str) -> None:
    with pytest.raises(Invalid, match=r"visits more than 20000 nodes|makes a string of") as refusal:
        ask(expression, PATIENT, options=Options(steps=20_000))

    assert refusal.value.issues[0].code == "too-costly"


def test_what_is_within_the_budget_runs() -> None:
    assert ask("name.given.count()", PATIENT, options=Options(steps=1_000)) == [400]


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(a|a)*$", "(a|aa)+$", "(.*a){25}", "a{1,30}a{1,30}a{1,30}$"]
)
def test_no_pattern_is_slow(pattern: str) -> None:
    assert ask(f"'{'a' * 5_000}!'.matches('{pattern}')") in ([True], [False])


@pytest.mark.parametrize(
    "pattern", ["((a{1,100}){1,100}){1,100}", "a{1001}", "(" * 1500 + ")" * 1500]
)
def test_a_pattern_that_needs_too_much_memory_is_refused(pattern: str) -> None:
    with pytest.raises(Invalid, match="The regular expression"):
        ask(f"'a'.matches('{pattern}')")


@pytest.mark.parametrize(
    "expression",
    [
        "9.0.power(999999999)",
        "99999999.exp()",
        "1.0.power(0.0000001)",
        "2147483647 * 2147483647",
        "(9999999999.0 * 9999999999.0).power(500)",
        "0.0.ln()",
        "0.0.power(-1)",
    ],
)
def test_numbers_stay_small_or_are_empty(expression: str) -> None:
    found = ask(expression)

    assert len(str(found)) < 100


def test_a_compiled_expression_is_kept_and_shared() -> None:
    assert fhirpath.compile("name.given") is fhirpath.compile("name.given")
