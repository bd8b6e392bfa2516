"""The language of `_filter`: comparisons joined by and, or, not and parentheses.

https://hl7.org/fhir/R4/search_filter.html

A comparison becomes the criterion that the same search would have as a parameter, so that both find
the same. `and` binds closer than `or`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from fhir_server.search.chain import Reader
from fhir_server.search.kind import kind_of
from fhir_server.search.nodes import Chain, Criterion, Every, Node, Nope, Some
from kernel.errors import BadValue, Invalid

if TYPE_CHECKING:
    from fhir_server.search.parameters import Known, Parameter

LONGEST: Final = 4000
DEEPEST: Final = 20
_TOKEN: Final = re.compile(
    r'\s*(?:(?P<text>"(?:[^"\\]|\\.)*")|(?P<mark>[()\[\]])|(?P<word>[^\s()\[\]"]+))'
)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_SEPARATORS: Final = re.compile(r"([\\,$|])")
RANGED: Final = frozenset({"gt", "lt", "ge", "le", "ap", "sa", "eb", "ne", "eq"})
TEXTUAL: Final = {"co": "contains", "eq": "equals", "sw": "", "ew": "ends"}
OPERATORS: Final = RANGED | {"co", "sw", "ew", "pr", "po", "re", "ss", "sb", "in", "ni"}
TERMINOLOGY: Final = frozenset({"ss", "sb", "in", "ni"})


def read(type: str, text: str, known: Known) -> Node:
    """Return what a filter asks for.

    Raises:
        BadValue: it does not follow the grammar.
        Invalid: it names a parameter that the type does not have, or an operator that does not fit.
    """
    if len(text) > LONGEST:
        raise BadValue(f"`_filter` has {len(text)} characters; {LONGEST} are allowed.")
    parser = _Parser(type, _tokens(text), known)
    node = parser.either(0)
    if parser.at < len(parser.tokens):
        raise BadValue(f"`_filter` has `{parser.tokens[parser.at][:40]}` where it should end.")
    return node


def _tokens(text: str) -> list[str]:
    tokens, at, end = [], 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            raise BadValue(f"`_filter` cannot be read from `{text[at : at + 30]}` on.")
        tokens.append(match["text"] or match["mark"] or match["word"])
        at = match.end()
    return tokens


@dataclass(slots=True)
class _Parser:
    type: str
    tokens: list[str]
    known: Known
    at: int = 0

    def take(self, what: str) -> str:
        if self.at >= len(self.tokens):
            raise BadValue(f"`_filter` ends where {what} is expected.")
        self.at += 1
        return self.tokens[self.at - 1]

    def accept(self, word: str) -> bool:
        if self.at < len(self.tokens) and self.tokens[self.at].lower() == word:
            self.at += 1
            return True
        return False

    def either(self, depth: int) -> Node:
        nodes = [self.every(depth)]
        while self.accept("or"):
            nodes.append(self.every(depth))
        return nodes[0] if len(nodes) == 1 else Some(tuple(nodes))

    def every(self, depth: int) -> Node:
        nodes = [self.one(depth)]
        while self.accept("and"):
            nodes.append(self.one(depth))
        return nodes[0] if len(nodes) == 1 else Every(tuple(nodes))

    def one(self, depth: int) -> Node:
        if depth > DEEPEST:
            raise BadValue(f"`_filter` is nested deeper than {DEEPEST} parentheses.")
        if self.accept("not"):
            if not self.accept("("):
                raise BadValue("`not` in `_filter` is followed by a parenthesis.")
            return Nope(self.closed(depth))
        if self.accept("("):
            return self.closed(depth)
        return self.comparison()

    def closed(self, depth: int) -> Node:
        node = self.either(depth + 1)
        if not self.accept(")"):
            raise BadValue("A parenthesis is not closed in `_filter`.")
        return node

    def comparison(self) -> Node:
        path = self.take("a parameter")
        operator = self.take(f"an operator after `{path[:40]}`").lower()
        if operator == "[":
            raise Invalid(
                "A filter inside a path, as in `related[…].target`, is not supported.",
                code="not-supported",
            )
        if operator not in OPERATORS:
            known = ", ".join(f"`{one}`" for one in sorted(OPERATORS))
            raise BadValue(f"`{operator[:40]}` is no operator of `_filter`; those are {known}.")
        value = self.take(f"a value after `{operator}`")
        if value.startswith('"'):
            value = _ESCAPED.sub(r"\1", value[1:-1])
            return self.criterion(path, operator, value, quoted=True)
        return self.criterion(path, operator, value, quoted=False)

    def criterion(self, path: str, operator: str, value: str, *, quoted: bool) -> Node:
        if operator in TERMINOLOGY:
            raise Invalid(
                f"`{operator}` in `_filter` needs a terminology service.", code="not-supported"
            )
        if operator == "pr":
            return self.read(
                f"{path}:missing", {"true": "false", "false": "true"}.get(value, value)
            )
        parameter = self.last(path)
        kind = parameter.kind if parameter else "token"
        if kind == "string":
            return self.textual(path, operator, value)
        if kind in {"date", "number", "quantity"}:
            prefix = "ap" if operator == "po" else operator
            if prefix not in RANGED:
                raise _misfit(operator, path, kind)
            return self.read(path, prefix + _escaped(value, quoted=quoted, keep="|"))
        if operator not in {"eq", "ne", "re"}:
            raise _misfit(operator, path, kind)
        node = self.read(path, _escaped(value, quoted=quoted, keep="|"))
        return Nope(node) if operator == "ne" else node

    def textual(self, path: str, operator: str, value: str) -> Node:
        if operator == "ne":
            return Nope(self.textual(path, "eq", value))
        if operator not in TEXTUAL:
            raise _misfit(operator, path, "string")
        return _mannered(self.read(path, _escaped(value, quoted=True)), TEXTUAL[operator])

    def read(self, name: str, value: str) -> Node:
        return Reader(self.known).read(self.type, name, value)

    def last(self, path: str) -> Parameter | None:
        """Return the parameter at the end of a path, None if several types could have it."""
        head, dot, rest = path.partition(".")
        bare, _, target = head.partition(":")
        parameter = self.known.of(self.type).get(bare)
        if not dot or parameter is None:
            return parameter
        inner = [
            found
            for one in ((target,) if target else parameter.targets)
            if (found := _Parser(one, [], self.known).last(rest)) and kind_of(found)
        ]
        return inner[0] if inner else None


def _mannered(node: Node, modifier: str) -> Node:
    """Return the same with a modifier at the end of the path."""
    if isinstance(node, Chain):
        inner = tuple((type, _mannered(one, modifier)) for type, one in node.targets)
        inside = tuple((type, _mannered(one, modifier)) for type, one in node.inside)
        return replace(node, targets=inner, inside=inside)
    return replace(node, modifier=modifier) if isinstance(node, Criterion) else node


def _misfit(operator: str, path: str, kind: str) -> Invalid:
    return Invalid(f"`{operator}` in `_filter` does not fit `{path[:60]}`, a {kind} parameter.")


def _escaped(value: str, *, quoted: bool, keep: str = "") -> str:
    """Return a value with what would part it in a search parameter escaped."""
    if not quoted:
        return value.replace(",", "\\,")
    return _SEPARATORS.sub(lambda m: m[0] if m[0] == keep else f"\\{m[0]}", value)
