"""From an expression to its syntax tree, by precedence climbing.

https://hl7.org/fhirpath/N1/grammar.html
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from fhir_server.fhirpath import amount, temporal
from fhir_server.fhirpath.amount import Amount
from fhir_server.fhirpath.kinds import TypeName
from fhir_server.fhirpath.lexer import Token, refused, tokens
from fhir_server.fhirpath.syntax import (
    Binary,
    Call,
    Item,
    Literal,
    Name,
    Sign,
    Special,
    Step,
    Syntax,
    TypeTest,
    Variable,
)

if TYPE_CHECKING:
    from fhir_server.fhirpath.system import Value
    from kernel.errors import BadValue

NESTING: Final = 48
"""Brackets, arguments and signs within one another."""

HEIGHT: Final = 160
"""Parts of an expression that wait for one another: brackets, steps, and operators in a row."""

_LARGEST: Final = 2**31 - 1

BINDING: Final = {
    **dict.fromkeys(("*", "/", "div", "mod"), 10),
    **dict.fromkeys(("+", "-", "&"), 9),
    **dict.fromkeys(("is", "as"), 8),
    "|": 7,
    **dict.fromkeys(("<", "<=", ">", ">="), 6),
    **dict.fromkeys(("=", "~", "!=", "!~"), 5),
    **dict.fromkeys(("in", "contains"), 4),
    "and": 3,
    **dict.fromkeys(("or", "xor"), 2),
    "implies": 1,
}
"""How tightly an operator binds; all bind to the left."""

_SIGN: Final = 11
_RESERVED: Final = frozenset({"and", "or", "xor", "implies", "div", "mod", "true", "false"})


def parse(expression: str) -> Syntax:
    """Return the syntax tree.

    Raises:
        BadValue: it is no FHIRPath, or nested too deeply; says where.
    """
    parser = _Parser(expression)
    tree = parser.expression(0)
    if parser.token.kind != "end":
        raise parser.fault(f"`{parser.token.text[:40]}` cannot follow here")
    if _height(tree) > HEIGHT:
        raise parser.fault(f"more than {HEIGHT} steps and operators depend on one another")
    return tree


def _height(tree: Syntax) -> int:
    """Return the height of the tree, without recursion: a row may be as long as the expression."""
    height = 0
    row = [tree]
    while row:
        height += 1
        row = [below for part in row for below in _below(part)]
    return height


def _below(part: Syntax) -> tuple[Syntax, ...]:
    match part:
        case Step(target, then):
            return (target, then)
        case Item(target, index):
            return (target, index)
        case Binary(_, left, right):
            return (left, right)
        case Sign(_, operand) | TypeTest(_, operand):
            return (operand,)
        case Call(_, arguments):
            return arguments
    return ()


class _Parser:
    """The words, how far it is, and how deep."""

    __slots__ = ("at", "depth", "source", "words")

    def __init__(self, source: str) -> None:
        self.source = source
        self.words = tokens(source)
        self.at = 0
        self.depth = 0

    @property
    def token(self) -> Token:
        return self.words[self.at]

    def next(self) -> Token:
        token = self.words[self.at]
        self.at += 1
        return token

    def fault(self, why: str) -> BadValue:
        return refused(self.source, self.token.at, why)

    def accept(self, symbol: str) -> bool:
        if self.token.kind == "symbol" and self.token.text == symbol:
            self.at += 1
            return True
        return False

    def expect(self, symbol: str) -> None:
        if not self.accept(symbol):
            found = f"`{self.token.text[:40]}`" if self.token.text else "its end"
            raise self.fault(f"`{symbol}` is expected, not {found}")

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > NESTING:
            raise self.fault(f"it is nested deeper than {NESTING} levels")

    def expression(self, binding: int) -> Syntax:
        self.deeper()
        left = self.operand()
        while True:
            token = self.token
            operator = token.text if token.kind in {"word", "symbol"} else ""
            strength = BINDING.get(operator, 0)
            if strength <= binding:
                break
            self.at += 1
            if strength == BINDING["is"]:
                left = TypeTest(operator, left, self.type_name())
            else:
                left = Binary(operator, left, self.expression(strength), token.at)
        self.depth -= 1
        return left

    def operand(self) -> Syntax:
        if self.token.kind == "symbol" and self.token.text in {"+", "-"}:
            operator = self.next().text
            return Sign(operator, self.expression(_SIGN - 1))
        tree = self.term()
        while True:
            if self.accept("."):
                tree = Step(tree, self.invocation(reserved=frozenset()))
            elif self.accept("["):
                tree = Item(tree, self.expression(0))
                self.expect("]")
            else:
                return tree

    def term(self) -> Syntax:
        token = self.token
        if self.accept("("):
            tree = self.expression(0)
            self.expect(")")
            return tree
        if self.accept("{"):
            self.expect("}")
            return Literal(None)
        if token.kind == "variable":
            return Variable(self.next().text)
        if token.kind == "word" and token.text in {"true", "false"}:
            return Literal(self.next().text == "true")
        if token.kind in {"string", "number", "date", "moment", "time"}:
            return Literal(self.value())
        return self.invocation()

    def invocation(self, reserved: frozenset[str] = _RESERVED) -> Name | Call | Special:
        """Read a name or a call; behind a dot no word is reserved, so that `text.div` is a path."""
        token = self.token
        if token.kind == "special":
            return self.special()
        if token.kind not in {"word", "quoted"}:
            found = f"`{token.text[:40]}`" if token.text else "the end"
            raise self.fault(f"a name, a value or a function is expected, not {found}")
        if token.kind == "word" and token.text in reserved:
            raise self.fault(
                f"`{token.text}` is a word of the language; as a name it is written in back-ticks"
            )
        self.at += 1
        if token.kind == "word" and self.accept("("):
            return Call(token.text, self.arguments(), token.at)
        return Name(token.text, token.at)

    def special(self) -> Special:
        name = self.token.text[1:]
        if name not in {"this", "index", "total"}:
            raise self.fault(f"`${name[:40]}` is none of `$this`, `$index` and `$total`")
        self.at += 1
        return Special(name)

    def arguments(self) -> tuple[Syntax, ...]:
        if self.accept(")"):
            return ()
        found = [self.expression(0)]
        while self.accept(","):
            found.append(self.expression(0))
        self.expect(")")
        return tuple(found)

    def type_name(self) -> TypeName:
        token = self.next()
        if token.kind not in {"word", "quoted"}:
            self.at -= 1
            raise self.fault("a type is expected after `is` and `as`")
        name = token.text
        if not self.accept("."):
            return TypeName("", name)
        return TypeName(name, self.next().text)

    def value(self) -> Value:
        token = self.token
        if token.kind == "string":
            return self.next().text
        if token.kind == "number":
            return self.number()
        found: Value | None
        if token.kind == "time":
            found = temporal.parse(token.text[2:], "Time")
        else:
            type: temporal.Precision = "Date" if token.kind == "date" else "DateTime"
            found = temporal.parse(token.text[1:], type)
        if found is None:
            raise self.fault(f"`{token.text}` is not in the calendar or more precise than 1 ns")
        self.at += 1
        return found

    def number(self) -> Value:
        token = self.next()
        unit = self.token
        number = Decimal(token.text)
        if unit.kind == "string":
            self.at += 1
            return Amount(number, amount.word(unit.text) or unit.text or "1")
        if unit.kind == "word" and amount.word(unit.text):
            self.at += 1
            return Amount(number, amount.word(unit.text))
        if "." in token.text:
            return number
        if number > _LARGEST + 1:  # one more, for the sign before it
            self.at -= 1
            raise self.fault(f"`{token.text[:40]}` is beyond 32 bits; write it as a decimal")
        return int(token.text)
