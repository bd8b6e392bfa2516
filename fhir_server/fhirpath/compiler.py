"""From a syntax tree to closures: what runs is Python's own calls, and nothing is looked up again.

https://hl7.org/fhirpath/N1/#expressions
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fhir_server.fhirpath import environment, logic, operators, system
from fhir_server.fhirpath.functions import FUNCTIONS
from fhir_server.fhirpath.functions.filtering import sorted_by
from fhir_server.fhirpath.functions.types import as_type, is_type, of_type
from fhir_server.fhirpath.kinds import TypeName
from fhir_server.fhirpath.node import EMPTY, boolean, integer, step
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
from kernel.errors import BadValue, Invalid

if TYPE_CHECKING:
    from fhir_server.fhirpath.node import Collection
    from fhir_server.fhirpath.scope import Code, Scope, Truth

_TYPE_FUNCTIONS = {"is": is_type, "as": as_type, "ofType": of_type}
_CALL = 4  # what a call or an operator costs, in nodes visited
_LOGICAL = frozenset({"and", "or", "xor", "implies"})


def compiled(tree: Syntax) -> Code:
    """Return the code of an expression.

    Raises:
        BadValue: a function or type does not exist, or has too few or too many arguments.
    """
    match tree:
        case Literal(value):
            constant = EMPTY if value is None else [system.item(value)]
            return lambda _: constant
        case Special(name):
            return _special(name)
        case Variable(name):
            return environment.variable(name)
        case Name(name):
            return _start(name)
        case Call():
            invoke = _call(tree)
            return lambda scope: invoke(scope, scope.this)
        case Step(target, then):
            return _step(compiled(target), then, tree)
        case Item(target, index):
            return _item(compiled(target), compiled(index))
        case _:
            return _operator(tree)


def _operator(tree: Sign | Binary | TypeTest) -> Code:
    match tree:
        case Sign(operator, operand):
            code = compiled(operand)
            return lambda scope: operators.negative(code(scope), operator)
        case TypeTest(operator, operand, type):
            code, test = compiled(operand), _TYPE_FUNCTIONS[operator](_checked(type))
            return lambda scope: test(scope, code(scope))
        case Binary(operator, left, right) if operator not in _LOGICAL:
            return _binary(operators.OPERATORS[operator], compiled(left), compiled(right))
    holds = truth(tree)
    return lambda scope: boolean(holds(scope))


def _binary(apply: Any, left: Code, right: Code) -> Code:
    def run(scope: Scope) -> Collection:
        scope.run.charge(_CALL)
        found: Collection = apply(scope.run, left(scope), right(scope))
        return found

    return run


def truth(tree: Syntax) -> Truth:
    """Return the code of an expression of which only the truth is wanted; the same, but faster."""
    match tree:
        case Binary(operator, left, right) if operator in _LOGICAL:
            return logic.CONNECTIVES[operator](truth(left), truth(right))
        case Step(Name(name), Call("exists" | "empty" as asked, ())) if not name[:1].isupper():
            return _presence(name, wanted=asked == "exists")
        case Step(target, Call("exists", ())):
            code = compiled(target)
            return lambda scope: bool(code(scope))
        case Step(target, Call("empty", ())):
            code = compiled(target)
            return lambda scope: not code(scope)
        case Step(target, Call("not", ())):
            return logic.negation(truth(target))
    code = compiled(tree)
    return lambda scope: system.truth(code(scope))


def _presence(name: str, *, wanted: bool) -> Truth:
    """Most parts of most invariants ask this; nothing is kept of what is found."""

    def holds(scope: Scope) -> bool:
        found: Collection = []
        for node in scope.this:
            step(node, name, found)
            if found:
                return wanted
        return not wanted

    return holds


def _special(name: str) -> Code:
    def index(scope: Scope) -> Collection:
        if scope.index is None:
            raise Invalid(
                "`$index` has a value only within a function such as `where` or `select`."
            )
        return integer(scope.index)

    if name == "index":
        return index
    return (lambda scope: scope.this) if name == "this" else (lambda scope: scope.total)


def _start(name: str) -> Code:
    """A name at the start is the type of what is in focus, or a child of it."""
    if not name[:1].isupper():
        follow = _follow(name)
        return lambda scope: follow(scope, scope.this)

    def run(scope: Scope) -> Collection:
        out: Collection = []
        for node in scope.this:
            if name in node.kind.ancestors:
                out.append(node)
            else:
                step(node, name, out)
        return out

    return run


def _follow(name: str) -> Any:
    def run(scope: Scope, collection: Collection) -> Collection:
        out: Collection = []
        for node in collection:
            step(node, name, out)
        run = scope.run
        run.left -= len(out) + 1
        if run.left < 0:
            run.charge(0)
        return out

    return run


def _step(target: Code, then: Name | Call | Special, tree: Step) -> Code:
    if isinstance(then, Special):  # `a.$this` is `a`
        return target if then.name == "this" else _special(then.name)
    invoke = _follow(then.name) if isinstance(then, Name) else _call(then)

    def run(scope: Scope) -> Collection:
        found: Collection = invoke(scope, target(scope))
        return found

    return run


def _item(target: Code, index: Code) -> Code:
    def run(scope: Scope) -> Collection:
        at = system.whole(index(scope), "An index")
        items = target(scope)
        if at is None or not 0 <= at < len(items):
            return EMPTY
        return [items[at]]

    return run


def _call(call: Call) -> Any:
    typed = _TYPE_FUNCTIONS.get(call.name)
    if typed is not None and len(call.arguments) == 1:
        return typed(_checked(_type(call.arguments[0])))
    if call.name == "sort":
        return sorted_by([_direction(argument) for argument in call.arguments])
    function = FUNCTIONS.get(call.name)
    if function is None:
        raise BadValue(
            f"There is no FHIRPath function `{call.name[:60]}()` (character {call.at + 1})."
        )
    given = len(call.arguments)
    if not function.least <= given <= function.most:
        raise BadValue(
            f"`{call.name}()` takes {_range(function.least, function.most)}, and {given} are given "
            f"(character {call.at + 1})."
        )
    apply, arguments = function.apply, tuple(compiled(a) for a in call.arguments)

    def run(scope: Scope, collection: Collection) -> Collection:
        found = apply(scope, collection, arguments)
        scope.run.charge(_CALL + len(found))
        return found

    return run


def _range(least: int, most: int) -> str:
    if least == most:
        return f"{least} argument{'' if least == 1 else 's'}"
    return f"{least} to {most} arguments"


def _direction(argument: Syntax) -> tuple[Code, bool]:
    """Return the code of a sort key, and whether a `-` before it asks for falling order."""
    if isinstance(argument, Sign) and argument.operator == "-":
        return compiled(argument.operand), True
    return compiled(argument), False


def _type(argument: Syntax) -> TypeName:
    match argument:
        case Name(name):
            return TypeName("", name)
        case Step(Name(namespace), Name(name)):
            return TypeName(namespace, name)
    raise BadValue("`is()`, `as()` and `ofType()` take the name of a type.")


def _checked(type: TypeName) -> TypeName:
    if type.is_known():
        return type
    name = f"{type.namespace}.{type.name}" if type.namespace else type.name
    raise BadValue(f"There is no type `{name[:80]}` in FHIR R4 or FHIRPath.")
