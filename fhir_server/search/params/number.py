"""Number parameters: a number, with as many digits as it was written with.

https://hl7.org/fhir/R4/search.html#number
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from fhir_server.search import age
from fhir_server.search.kind import Condition, Facts, Index, Scope, SearchType, Where, either
from fhir_server.search.numbers import WIDE, compared, comparison, decimal, double
from fhir_server.search.params.date import missing
from fhir_server.search.tokens import token
from kernel import clock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_server.search.parameters import Parameter, Path


AGE: Final = "age"
"""Data type of a path to the date of birth that is asked for the age."""


def index(type: str, path: Path) -> Index:
    if path.datatype == AGE:
        return lambda _, __: None
    key, wide = token(f"{type}.{path.key}"), token(f"{type}.{path.key}{WIDE}")
    read = interval if path.datatype == "Range" else point

    def add(value: Any, facts: Facts) -> None:
        found = read(value)
        if found is not None:
            facts.quantities.append((key, *found, ()))
            if found[0] != found[1]:
                facts.quantities.append((wide, *found, ()))

    return add


def point(value: Any) -> tuple[float, float] | None:
    """Return the interval that a stored number is: it has no width."""
    exact = decimal(value)
    if exact is None:
        return None
    found = double(exact)
    return found, found


def interval(value: dict[str, Any]) -> tuple[float, float] | None:
    """Return the interval of a Range; an end that it does not say is open."""
    low, high = (point((value.get(name) or {}).get("value")) for name in ("low", "high"))
    if low is None and high is None:
        return None
    first = low[0] if low else -math.inf
    return first, max(first, high[1] if high else math.inf)


def match(parameter: Parameter, modifier: str, values: tuple[str, ...], scope: Scope) -> Condition:
    keys = [f"{parameter.type}.{key}" for key in parameter.keys]
    if modifier == "missing":
        present = {"q": {"$elemMatch": {"p": one_of([token(key) for key in keys])}}}
        return Where({"$nor": [present]} if missing(values) else present)
    if parameter.paths[0].datatype == AGE:
        now = clock.now()
        return either([age.condition(comparison(value), now, scope.zone) for value in values])
    ranges = any(path.datatype == "Range" for path in parameter.paths)
    return either(
        [
            {"q": {"$elemMatch": {"p": one_of([token(key + suffix) for key in keys])} | condition}}
            for value in values
            for suffix, condition in compared(comparison(value))
            if ranges or suffix != WIDE
        ]
    )


def one_of(tokens: Sequence[int]) -> Any:
    """Return the condition that a field is one of these."""
    return tokens[0] if len(tokens) == 1 else {"$in": list(tokens)}


NUMBER = SearchType("number", index, match, frozenset({"missing"}))
