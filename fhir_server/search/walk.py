"""The values that a parameter's path leads to in one resource, for what no index answers.

https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_STEP: Final = re.compile(r"([^.\[]+)(?:\[([^\]]*)\])?\.?")
Step = tuple[str, str, str]
"""A member, and the member of its value and the text that a filter wants there."""


@lru_cache(maxsize=4096)
def _steps(members: str) -> tuple[Step, ...]:
    found = []
    for name, filter in _STEP.findall(members):
        member, _, text = filter.partition("=")
        found.append((name, member, text))
    return tuple(found)


def values(resource: Mapping[str, Any], members: str) -> Iterator[Any]:
    """Yield every value at a path, such as `name.family` or `telecom[system=phone]`."""
    return _walk(resource, _steps(members), 0)


def _walk(element: Any, steps: tuple[Step, ...], at: int) -> Iterator[Any]:
    if at == len(steps):
        yield element
        return
    if not isinstance(element, dict):
        return
    name, member, text = steps[at]
    found = element.get(name)
    for item in found if isinstance(found, list) else (found,):
        if item is None or (member and not (isinstance(item, dict) and item.get(member) == text)):
            continue
        yield from _walk(item, steps, at + 1)


def texts(value: Any) -> Iterator[str]:
    """Yield what a value is sorted by: a code, an identifier's value, a reference, a uri."""
    if isinstance(value, bool):
        yield "true" if value else "false"
    elif isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        if "coding" in value:
            for coding in value["coding"] or ():
                yield from texts(coding)
        elif found := next((value[m] for m in MEMBERS if isinstance(value.get(m), str)), ""):
            yield found


MEMBERS = ("code", "value", "reference", "text", "display")
