"""`enableWhen`: whether an item is to be answered, by the answers to others.

https://hl7.org/fhir/R4/questionnaire-definitions.html#Questionnaire.item.enableWhen
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

_COMPARED: Final[dict[str, Callable[[Any, Any], bool]]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}


def answers(response: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return the answers of a response by link id, wherever they are."""
    found: dict[str, list[Any]] = {}
    waiting: list[Any] = [response]
    while waiting:
        holder = waiting.pop()
        for item in _objects(holder.get("item")):
            given = _objects(item.get("answer"))
            values = [value for answer in given if (value := chosen(answer, "value")) is not None]
            found.setdefault(str(item.get("linkId")), []).extend(values)
            waiting += [item, *given]
    return found


def chosen(holder: Mapping[str, Any], stem: str) -> Any:
    """Return the value of a choice, such as `valueCoding` for `value`."""
    return next(
        (value for key, value in holder.items() if key.startswith(stem) and key != stem), None
    )


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def is_enabled(item: Mapping[str, Any], given: Mapping[str, list[Any]]) -> bool:
    """Return whether the conditions of an item are met, all or any of them as it says."""
    conditions = _objects(item.get("enableWhen"))
    if not conditions:
        return True
    met = [_is_met(condition, given) for condition in conditions]
    return all(met) if item.get("enableBehavior") == "all" else any(met)


def _is_met(condition: Mapping[str, Any], given: Mapping[str, list[Any]]) -> bool:
    values = given.get(str(condition.get("question")), [])
    wanted = chosen(condition, "answer")
    match condition.get("operator"):
        case "exists":
            return bool(values) == (wanted is True)
        case "=":
            return any(_same(value, wanted) for value in values)
        case "!=":
            return bool(values) and not any(_same(value, wanted) for value in values)
        case str(compared) if compared in _COMPARED:
            return any(_compare(_COMPARED[compared], value, wanted) for value in values)
    return True


def _same(value: Any, wanted: Any) -> bool:
    if isinstance(value, dict) and isinstance(wanted, dict) and "code" in wanted:
        names = [name for name in ("system", "code", "value") if name in wanted]
        return all(value.get(name) == wanted[name] for name in names)
    return bool(value == wanted)


def _compare(compared: Callable[[Any, Any], bool], value: Any, wanted: Any) -> bool:
    if isinstance(value, dict) and isinstance(wanted, dict):
        value, wanted = value.get("value"), wanted.get("value")
    numbers = all(isinstance(v, int | Decimal) and not isinstance(v, bool) for v in (value, wanted))
    texts = isinstance(value, str) and isinstance(wanted, str)
    return (numbers or texts) and compared(value, wanted)
