"""Three-valued logic: the tables of the specification, and the laws that follow from them.

https://hl7.org/fhirpath/N1/#boolean-logic
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server import fhirpath
from tests.unit.fhirpath.asking import BASIC, ask

T, F, E = "true", "false", "{}"
TABLES = {
    "and": {(T, T): T, (T, F): F, (T, E): E, (F, F): F, (F, E): F, (E, E): E},
    "or": {(T, T): T, (T, F): T, (T, E): T, (F, F): F, (F, E): E, (E, E): E},
    "xor": {(T, T): F, (T, F): T, (T, E): E, (F, F): F, (F, E): E, (E, E): E},
}
IMPLIES = {
    (T, T): T, (T, F): F, (T, E): E,
    (F, T): T, (F, F): T, (F, E): T,
    (E, T): T, (E, F): E, (E, E): E,
}  # fmt: skip
VALUES = {T: [True], F: [False], E: []}


@pytest.mark.parametrize("operator", TABLES)
def test_the_tables_hold_both_ways(operator: str) -> None:
    for (one, other), result in TABLES[operator].items():
        assert ask(f"{one} {operator} {other}") == VALUES[result]
        assert ask(f"{other} {operator} {one}") == VALUES[result]


def test_implies_has_a_direction() -> None:
    for (one, other), result in IMPLIES.items():
        assert ask(f"{one} implies {other}") == VALUES[result]


FORMULAS = st.recursive(
    st.sampled_from([T, F, E]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or", "xor", "implies"]), inner).map(
            lambda parts: f"({' '.join(parts)})"
        ),
        inner.map(lambda formula: f"{formula}.not()"),
    ),
    max_leaves=8,
)


@given(FORMULAS, FORMULAS)
def test_de_morgan(one: str, other: str) -> None:
    assert ask(f"({one} and {other}).not()") == ask(f"{one}.not() or {other}.not()")
    assert ask(f"({one} or {other}).not()") == ask(f"{one}.not() and {other}.not()")


@given(FORMULAS)
def test_the_fast_truth_is_the_value(formula: str) -> None:
    expression = fhirpath.compile(formula)

    truth = expression.truth(BASIC)

    assert [node.value for node in expression.evaluate(BASIC)] == ([] if truth is None else [truth])
    assert expression.true(BASIC) == (truth is True)
    assert expression.holds(BASIC) == (truth is not False)


def test_any_one_item_counts_as_true() -> None:
    assert ask("'false' and 0") == [True]
    assert ask("(0).not()") == [False]


def test_a_side_that_does_not_matter_is_not_evaluated() -> None:
    assert ask("false and (1 | 2).single()") == [False]
    assert ask("true or (1 | 2).single()") == [True]
    assert ask("false implies (1 | 2).single()") == [True]
