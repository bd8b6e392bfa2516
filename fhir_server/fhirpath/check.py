"""Strict evaluation: what an expression would never find, said before it runs.

https://hl7.org/fhirpath/N1/#type-safety-and-strict-evaluation

An element that a type does not have is silently empty when it is evaluated. Whoever keeps an
expression, such as a search parameter, wants to know of the misspelt one when it is made.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from fhir_server import tables
from fhir_server.fhirpath import kinds
from fhir_server.fhirpath.functions import FUNCTIONS
from fhir_server.fhirpath.kinds import SYSTEM_TYPES, Kind, TypeName
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
from fhir_server.fhirpath.system import item
from kernel.errors import BadValue

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fhir_server.fhirpath.expression import Expression


@dataclass(frozen=True, slots=True)
class Shape:
    """What an expression may return: one of `kinds`, anything if that is None."""

    kinds: frozenset[Kind] | None = None
    ordered: bool = True


ANYTHING: Final = Shape()

_SAME: Final = frozenset(
    [
        "where",
        "first",
        "last",
        "tail",
        "skip",
        "take",
        "single",
        "distinct",
        "exclude",
        "intersect",
        "trace",
        "sort",
        "checkModifiers",
        "lowBoundary",
        "highBoundary",
        "abs",
    ]
)
"""Functions that return some of their input."""

_JOINED: Final = frozenset({"union", "combine"})
_LAMBDAS: Final = frozenset(
    {"where", "select", "exists", "all", "repeat", "aggregate", "iif", "trace", "sort"}
)
"""Functions whose arguments are evaluated on what comes before them."""

_BOOLEAN: Final = frozenset(
    [
        "empty",
        "exists",
        "all",
        "allTrue",
        "anyTrue",
        "allFalse",
        "anyFalse",
        "not",
        "subsetOf",
        "supersetOf",
        "isDistinct",
        "is",
        "startsWith",
        "endsWith",
        "contains",
        "matches",
        "matchesFull",
        "hasValue",
        "memberOf",
        "conformsTo",
        "htmlChecks",
        "comparable",
    ]
)
_INTEGER: Final = frozenset({"count", "length", "indexOf", "lastIndexOf", "precision"})
_STRING: Final = frozenset(
    [
        "substring",
        "upper",
        "lower",
        "trim",
        "replace",
        "replaceMatches",
        "join",
        "encode",
        "decode",
        "escape",
        "unescape",
        "toChars",
        "split",
    ]
)
_TYPED: Final = frozenset({"as", "ofType"})
_COMPARISONS: Final = frozenset(
    ["<", "<=", ">", ">=", "=", "!=", "~", "!~", "in", "contains", "and", "or", "xor", "implies"]
)


def check(expression: Expression, *types: str, ordered: bool = False) -> None:
    """Look for what can never be found on a resource of one of the types.

    With `ordered`, also for functions that need an order where there is none.

    Raises:
        BadValue: it names an element or a type that is not there.
    """
    checker = _Checker(frozenset(kinds.kind(type) for type in types), ordered)
    checker.shape(expression.tree, Shape(checker.roots))


@dataclass(frozen=True, slots=True)
class _Checker:
    roots: frozenset[Kind]
    ordered: bool

    def shape(self, tree: Syntax, this: Shape) -> Shape:
        match tree:
            case Literal(value):
                return ANYTHING if value is None else _of([item(value).kind])
            case Special(name):
                return this if name == "this" else ANYTHING
            case Variable(name):
                return self.variable(name)
            case Name():
                return self.start(tree, this)
            case Call():
                return self.call(tree, this, this)
            case Step(target, then):
                return self.step(self.shape(target, this), then, this)
            case Item(target, index):
                self.shape(index, this)
                found = self.shape(target, this)
                self.needs_order(found, "An index")
                return found
        return self.operator(tree, this)

    def variable(self, name: str) -> Shape:
        """Of an element, nothing says which resource it is in."""
        known = (
            {"context", "resource"} if all(root.resource for root in self.roots) else {"context"}
        )
        return Shape(self.roots) if name in known else ANYTHING

    def operator(self, tree: Sign | Binary | TypeTest, this: Shape) -> Shape:
        if isinstance(tree, Sign):
            return self.shape(tree.operand, this)
        if isinstance(tree, TypeTest):
            return _cast(self.shape(tree.operand, this), tree.operator, tree.type)
        one, other = self.shape(tree.left, this), self.shape(tree.right, this)
        if tree.operator == "|":
            return _joined(one, other)
        return _of([kinds.system("Boolean")]) if tree.operator in _COMPARISONS else ANYTHING

    def start(self, name: Name, this: Shape) -> Shape:
        if not name.name[:1].isupper() or this.kinds is None:
            return self.member(this, name)
        fitting = frozenset(kind for kind in this.kinds if name.name in kind.ancestors)
        if fitting:
            return Shape(fitting)
        given = ", ".join(f"`{kind.name}`" for kind in sorted(this.kinds, key=lambda k: k.name))
        raise BadValue(
            f"`{name.name}` (character {name.at + 1}) is not the type of what it is evaluated on: "
            f"{given}."
        )

    def step(self, target: Shape, then: Name | Call | Special, this: Shape) -> Shape:
        if isinstance(then, Name):
            return self.member(target, then)
        return self.call(then, target, this) if isinstance(then, Call) else ANYTHING

    def member(self, target: Shape, name: Name) -> Shape:
        if target.kinds is None:
            return target
        found: set[Kind] = set()
        for kind in target.kinds:
            member = kind.members.get(name.name)
            if member is None:
                if kind.namespace == "FHIR" and not _is_closed(kind):
                    return ANYTHING
                continue
            found |= {form for _, form in member.forms.values()} or {member.kind}
        if found:
            unknown = any(kind.name == "Resource" for kind in found)
            return replace(target, kinds=None if unknown else frozenset(found))
        types = " or ".join(sorted(f"`{kind.name}`" for kind in target.kinds)[:8])
        raise BadValue(f"There is no element `{name.name}` in {types} (character {name.at + 1}).")

    def needs_order(self, shape: Shape, what: str) -> None:
        if self.ordered and not shape.ordered:
            raise BadValue(f"{what} needs an order, and what it is asked of has none.")

    def call(self, call: Call, target: Shape, this: Shape) -> Shape:
        name = call.name
        if FUNCTIONS.get(name) is not None and FUNCTIONS[name].ordered:
            self.needs_order(target, f"`{name}()`")
        if name in {*_TYPED, "is"}:
            return _cast(target, name, _type(call.arguments[0])) if call.arguments else ANYTHING
        if name == "repeat":
            return self.repeated(call, target)
        inner = target if name in _LAMBDAS else this
        given = [self.shape(argument, inner) for argument in call.arguments]
        return _result(name, target, given)

    def repeated(self, call: Call, target: Shape) -> Shape:
        """What is found is looked into again, and need not have all that the first had."""
        found = self.shape(call.arguments[0], target)
        if found.kinds is None:
            return ANYTHING
        return Shape(found.kinds)


def _is_closed(kind: Kind) -> bool:
    """Return whether its elements are known, as they are not of just any Resource."""
    return tables.exists(kind.name) and kind.name != "Resource"


def _result(name: str, target: Shape, given: list[Shape]) -> Shape:
    if name in {"children", "descendants"}:
        return Shape(None, ordered=False)
    if name in _SAME:
        return target
    if name in _JOINED:
        return _joined(target, *given)
    if name == "select":
        return given[0]
    if name == "iif":
        return _joined(*given[1:])
    if name == "extension":
        return _of([kinds.kind("Extension")])
    for names, type in ((_BOOLEAN, "Boolean"), (_INTEGER, "Integer"), (_STRING, "String")):
        if name in names:
            return _of([kinds.system(type)])
    return ANYTHING


def _of(found: Iterable[Kind]) -> Shape:
    return Shape(frozenset(found))


def _joined(*shapes: Shape) -> Shape:
    found: set[Kind] = set()
    for shape in shapes:
        if shape.kinds is None:
            return ANYTHING
        found |= shape.kinds
    return Shape(frozenset(found))


def _type(argument: Syntax) -> TypeName:
    match argument:
        case Name(name):
            return TypeName("", name)
        case Step(Name(namespace), Name(name)):
            return TypeName(namespace, name)
    return TypeName("", "Any")


def _cast(target: Shape, operator: str, type: TypeName) -> Shape:
    if operator == "is":
        return _of([kinds.system("Boolean")])
    if type.namespace != "System" and tables.exists(type.name):
        return replace(target, kinds=frozenset({kinds.kind(type.name)}))
    return _of([kinds.system(type.name)]) if type.name in SYSTEM_TYPES else ANYTHING
