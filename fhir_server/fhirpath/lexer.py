"""The words of an expression.

https://hl7.org/fhirpath/N1/#lexical-elements
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from kernel.errors import BadValue

LONGEST: Final = 10_000
"""Characters that an expression may have."""

_ESCAPES: Final = {"f": "\f", "n": "\n", "r": "\r", "t": "\t"}

_TOKEN: Final = re.compile(
    r"""
    (?P<space>[ \t\r\n\f]+|//[^\r\n]*|/\*(?:[^*]|\*(?!/))*\*/)
    |(?P<time>@T\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?)
    |(?P<moment>@\d{4}(?:-\d\d(?:-\d\d)?)?T
        (?:\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?(?:Z|[+-]\d\d:\d\d)?)?)
    |(?P<date>@\d{4}(?:-\d\d(?:-\d\d)?)?)
    |(?P<number>\d+(?:\.\d+)?)
    |(?P<variable>%(?:(?:vs|ext)-[A-Za-z0-9_.-]+|[A-Za-z_][A-Za-z0-9_]*|`(?:[^`\\]|\\.)*`
        |'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"))
    |(?P<special>\$[a-z]+)
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<quoted>`(?:[^`\\]|\\.)*`)
    |(?P<string>'(?:[^'\\]|\\.)*')
    |(?P<symbol><=|>=|!=|!~|/(?!\*)|[-+*&|.,()\[\]{}<>=~])
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_ESCAPE: Final = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Token:
    """One word; `at` is the character where it begins, counted from 0."""

    kind: str
    text: str
    at: int


def tokens(expression: str) -> list[Token]:
    """Return the words, a last one of kind `end` included.

    Raises:
        BadValue: it is too long, or a character has no place in an expression.
    """
    if len(expression) > LONGEST:
        raise BadValue(
            f"The expression has {len(expression)} characters; {LONGEST} at most.", code="too-long"
        )
    found: list[Token] = []
    at = 0
    while at < len(expression):
        match = _TOKEN.match(expression, at)
        if match is None or match.lastgroup is None:
            raise refused(expression, at, _stray(expression, at))
        if match.lastgroup != "space":
            found.append(_token(expression, match.lastgroup, match[0], at))
        at = match.end()
    return [*found, Token("end", "", at)]


def _token(expression: str, kind: str, text: str, at: int) -> Token:
    if kind in {"quoted", "string"}:
        return Token(kind, _unescaped(expression, text[1:-1], at), at)
    if kind == "variable":
        name = text[1:]
        return Token(
            kind, _unescaped(expression, name[1:-1], at) if name[0] in "`'\"" else name, at
        )
    return Token(kind, text, at)


def _unescaped(expression: str, text: str, at: int) -> str:
    if "\\" not in text:
        return text

    def plain(match: re.Match[str]) -> str:
        code, char = match.groups()
        if code is not None:
            return chr(int(code, 16))
        if char not in "`'\"\\/fnrt":
            raise refused(expression, at, f"`\\{char}` is no escape of FHIRPath")
        return _ESCAPES.get(char, char)

    try:
        return _ESCAPE.sub(plain, text).encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise refused(expression, at, "half of a surrogate pair stands alone") from None


def _stray(expression: str, at: int) -> str:
    rest = expression[at : at + 2]
    if rest[0] in "'`":
        return "a quotation mark is never closed"
    return "a comment is never closed" if rest == "/*" else f"`{rest[0]}` has no meaning here"


def refused(expression: str, at: int, why: str) -> BadValue:
    """Return the fault of an expression, with its place."""
    line = expression.count("\n", 0, at) + 1
    column = at - expression.rfind("\n", 0, at)
    shown = expression if len(expression) <= 80 else f"{expression[:80]}…"
    place = f"line {line}, column {column}" if "\n" in expression else f"character {column}"
    return BadValue(f"The FHIRPath expression `{shown}` is wrong at {place}: {why}.")
