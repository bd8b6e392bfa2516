"""Working with text.

https://hl7.org/fhirpath/N1/#string-manipulation
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fhir_server.fhirpath import system
from fhir_server.fhirpath.function import Function
from fhir_server.fhirpath.node import EMPTY, string
from fhir_server.fhirpath.scope import LONGEST_TEXT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fhir_server.fhirpath.node import Collection
    from fhir_server.fhirpath.scope import Code, Run, Scope
    from fhir_server.fhirpath.system import Value


def of_text(name: str, compute: Callable[..., Value | None], arguments: int = 0) -> Function:
    """Return a function of a string and of other strings; empty if any of them is."""

    def run(scope: Scope, items: Collection, codes: Sequence[Code]) -> Collection:
        subject = system.text(items, f"`{name}()`")
        if subject is None:
            return EMPTY
        scope.run.charge(len(subject) >> 6)
        given = [system.text(code(scope), f"`{name}()`") for code in codes]
        if None in given:
            return EMPTY
        found = compute(subject, *given)
        return system.one(scope.run.text(found) if isinstance(found, str) else found)

    return Function(name, run, arguments, arguments)


def _substring(scope: Scope, items: Collection, arguments: Sequence[Code]) -> Collection:
    subject = system.text(items, "`substring()`")
    start = system.whole(arguments[0](scope), "`substring()`")
    if subject is None or start is None or not 0 <= start < len(subject):
        return EMPTY
    if len(arguments) == 1:
        return string(subject[start:])
    length = system.whole(arguments[1](scope), "`substring()`")
    return string(subject[start:] if length is None else subject[start : start + max(length, 0)])


def _replaced(run: Run, subject: str, pattern: str, by: str) -> str:
    # What it becomes is known before it is made.
    found = subject.count(pattern)
    if len(subject) + found * (len(by) - len(pattern)) > LONGEST_TEXT:
        run.charge(run.options.steps + 1)
    return run.text(subject.replace(pattern, by))


def _replace(scope: Scope, items: Collection, arguments: Sequence[Code]) -> Collection:
    subject = system.text(items, "`replace()`")
    pattern, by = (system.text(code(scope), "`replace()`") for code in arguments)
    if subject is None or pattern is None or by is None:
        return EMPTY
    return string(_replaced(scope.run, subject, pattern, by))


def _characters(scope: Scope, items: Collection, _: Sequence[Code]) -> Collection:
    subject = system.text(items, "`toChars()`")
    if subject is None:
        return EMPTY
    scope.run.charge(len(subject))
    return [system.item(character) for character in subject]


def _split(scope: Scope, items: Collection, arguments: Sequence[Code]) -> Collection:
    subject = system.text(items, "`split()`")
    separator = system.text(arguments[0](scope), "`split()`")
    if subject is None or separator is None:
        return EMPTY
    scope.run.charge(len(subject) if not separator else subject.count(separator))
    return [system.item(part) for part in (subject.split(separator) if separator else subject)]


def _join(scope: Scope, items: Collection, arguments: Sequence[Code]) -> Collection:
    separator = system.text(arguments[0](scope), "`join()`") if arguments else ""
    parts = [system.text([node], "`join()`") for node in items]
    texts = [part for part in parts if part is not None]
    length = sum(map(len, texts)) + len(texts) * len(separator or "")
    if length > LONGEST_TEXT:
        scope.run.charge(scope.run.options.steps + 1)
    return string(scope.run.text((separator or "").join(texts)))


FUNCTIONS: Final = (
    of_text("indexOf", str.find, 1),
    of_text("lastIndexOf", str.rfind, 1),
    of_text("startsWith", str.startswith, 1),
    of_text("endsWith", str.endswith, 1),
    of_text("contains", str.__contains__, 1),
    of_text("upper", str.upper),
    of_text("lower", str.lower),
    of_text("trim", str.strip),
    of_text("length", len),
    Function("substring", _substring, 1, 2),
    Function("replace", _replace, 2, 2),
    Function("toChars", _characters),
    Function("split", _split, 1, 1),
    Function("join", _join, 0, 1),
)
