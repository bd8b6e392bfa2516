r"""Regular expressions, in linear time whatever the pattern.

https://hl7.org/fhirpath/N1/#matchesregex-string-boolean

RE2 has no look-around and no back-references, which is why `(a+)+b` costs it nothing.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import re2

from fhir_server.fhirpath import system
from fhir_server.fhirpath.function import Function
from fhir_server.fhirpath.functions.strings import of_text
from fhir_server.fhirpath.node import EMPTY, string
from fhir_server.fhirpath.scope import LONGEST_TEXT
from kernel.errors import BadValue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_server.fhirpath.node import Collection
    from fhir_server.fhirpath.scope import Code, Scope

_LONGEST: Final = 2_000  # characters of a pattern
_MEMORY: Final = 8 << 20  # bytes for one compiled pattern
_MATCH: Final = 10  # what a match costs, in nodes visited
_GROUP: Final = re.compile(r"\$(?:(\d{1,2})|\{(\w{1,60})\})|\\(.)", re.DOTALL)


@lru_cache(maxsize=256)
def _pattern(text: str) -> Any:
    if len(text) > _LONGEST:
        raise BadValue(f"The regular expression has {len(text)} characters; {_LONGEST} at most.")
    options = re2.Options()
    options.dot_nl = True
    options.log_errors = False
    options.max_mem = _MEMORY
    try:
        return re2.compile(text, options)  # type: ignore[no-untyped-call]  # it has no types
    except re2.error as error:
        why = error.args[0].decode("utf-8", "replace") if error.args else "it is malformed"
        raise BadValue(
            f"The regular expression `{text[:80]}` cannot be used: {why}. Look-around and "
            f"back-references are not supported."
        ) from None


def _matches(subject: str, pattern: str) -> bool:
    return _pattern(pattern).search(subject) is not None


def _matches_full(subject: str, pattern: str) -> bool:
    return _pattern(pattern).fullmatch(subject) is not None


def _replace(scope: Scope, items: Collection, arguments: Sequence[Code]) -> Collection:
    subject = system.text(items, "`replaceMatches()`")
    pattern, by = (system.text(code(scope), "`replaceMatches()`") for code in arguments)
    if subject is None or pattern is None or by is None:
        return EMPTY
    if not pattern:
        return string(subject)
    length = 0

    def filled(match: Any) -> str:
        nonlocal length
        made = _GROUP.sub(lambda group: _inserted(match, group), by)
        length += len(made)
        scope.run.charge(_MATCH + (len(made) >> 6))
        if length > LONGEST_TEXT:
            scope.run.charge(scope.run.options.steps + 1)
        return made

    return string(scope.run.text(_pattern(pattern).sub(filled, subject)))


def _inserted(match: Any, group: re.Match[str]) -> str:
    number, name, escaped = group.groups()
    if escaped is not None:
        return str(escaped)
    try:
        return match.group(int(number) if number is not None else name) or ""
    except (IndexError, KeyError):
        raise BadValue(f"The pattern has no group `{number or name}`.") from None


FUNCTIONS: Final = (
    of_text("matches", _matches, 1),
    of_text("matchesFull", _matches_full, 1),
    Function("replaceMatches", _replace, 2, 2),
)
