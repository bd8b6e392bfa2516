"""Patterns and fixed values, for whatever JSON there is.

https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.pattern_x_
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fhir_server.conformance.rules import Value
from fhir_server.conformance.values import meets

SCALARS = st.booleans() | st.integers(-9, 9) | st.text("ab", max_size=2) | st.just(Decimal("1.50"))
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=8,
)


@given(JSON)
def test_every_value_meets_itself(value: Any) -> None:
    assert meets(value, Value(value, exact=True))
    assert meets(value, Value(value, exact=False))


@given(st.dictionaries(st.sampled_from("abc"), JSON), JSON)
def test_more_than_a_pattern_meets_it_and_is_not_what_is_fixed(
    pattern: dict[str, Any], extra: Any
) -> None:
    value = pattern | {"z": extra}

    assert meets(value, Value(pattern, exact=False))
    assert not meets(value, Value(pattern, exact=True))


@given(st.lists(JSON, min_size=1, max_size=3), JSON)
def test_the_entries_of_a_pattern_may_be_anywhere(pattern: list[Any], extra: Any) -> None:
    assert meets([extra, *reversed(pattern)], Value(pattern, exact=False))


@given(JSON, JSON)
def test_what_is_fixed_is_more_than_a_pattern(value: Any, other: Any) -> None:
    if meets(value, Value(other, exact=True)):
        assert meets(value, Value(other, exact=False))
