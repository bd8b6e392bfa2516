"""$fhirpath: evaluate an expression on a resource, and return what it finds with types and places.

https://hl7.org/fhirpath/N1/, asked and answered as https://github.com/brianpos/fhirpath-lab does
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from fhir_server import fhirpath, jsonio
from fhir_server.engine import check_id
from fhir_server.fhirpath import Expression, Node, Options
from fhir_server.operations.operation import Call, Operation
from fhir_server.search import ucum
from fhir_server.tables import RESOURCE_TYPES
from kernel.errors import BadStructure, BadValue, FhirError, Gone, Invalid, NotFound

if TYPE_CHECKING:
    from fhir_server.engine import Engine
    from fhir_server.model import Context

_STEPS: Final = 200_000  # nodes that one expression may visit
_MOST_CONTEXTS: Final = 100
_MOST_RESULTS: Final = 10_000
_MOST_REFERENCES: Final = 50  # resources that `resolve()` may read
_ROUNDS: Final = 4  # references of references that `resolve()` may follow
_PATH: Final = "http://fhir.forms-lab.com/StructureDefinition/resource-path"
_JSON: Final = "http://fhir.forms-lab.com/StructureDefinition/json-value"
_LOCAL: Final = re.compile(r"([A-Z][A-Za-z]{1,60})/([A-Za-z0-9.-]{1,64})")
_KNOWN: Final = ("expression", "context", "resource", "variables", "validate")
_OPTIONS: Final = Options(steps=_STEPS, canonical=ucum.canonical)


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked; `context` selects where the expression starts, None for the resource."""

    expression: Expression
    context: Expression | None
    resource: Mapping[str, Any]
    variables: Mapping[str, Any]


@dataclass(slots=True)
class _References:
    """What `resolve()` asked for, and what was read for it; None for what is not there."""

    found: dict[str, Mapping[str, Any] | None] = field(default_factory=dict)
    wanted: list[str] = field(default_factory=list)

    def resolve(self, reference: str) -> Mapping[str, Any] | None:
        if reference not in self.found and reference not in self.wanted:
            self.wanted.append(reference)
        return self.found.get(reference)


async def evaluate(engine: Engine, ctx: Context, call: Call) -> dict[str, Any]:
    """Return one `result` for each context, its parts named by their type.

    Raises:
        Invalid: a parameter is missing or unknown, or the expression is wrong or too costly.
        NotFound: there is no such resource.
        Forbidden: the caller may not read this type.
    """
    given = _parameters(call)
    question = await _question(engine, ctx, call, given)
    references = _References()
    # In a thread: an expression may take its time, and other requests do not wait for it.
    results = await asyncio.to_thread(_results, question, references)
    for _ in range(_ROUNDS):
        if not await _read_wanted(engine, ctx, references):
            break
        results = await asyncio.to_thread(_results, question, references)
    return {
        "resourceType": "Parameters",
        "id": "fhirpath",
        "parameter": [_asked(question), *results],
    }


def _parameters(call: Call) -> dict[str, Any]:
    """Return the parameters of the URL or of the body, by name."""
    given: dict[str, Any] = {}
    for name, value in call.values:
        _once(given, name, value)
    body = call.resource
    if body and body.get("resourceType") != "Parameters":
        given.setdefault("resource", body)
    elif body:
        entries = body.get("parameter", [])
        for entry in entries if isinstance(entries, list) else ():
            _once(given, entry.get("name") if isinstance(entry, dict) else None, _value(entry))
    return given


def _once(given: dict[str, Any], name: object, value: Any) -> None:
    if not isinstance(name, str):
        raise BadStructure("Each parameter of `$fhirpath` is an object with a `name`.")
    if name not in _KNOWN:
        known = ", ".join(f"`{name}`" for name in _KNOWN)
        raise Invalid(f"`$fhirpath` has no parameter `{name[:60]}`; it has {known}.")
    if name in given:
        raise Invalid(f"`{name}` is given twice.")
    given[name] = value


def _value(entry: Any) -> Any:
    if not isinstance(entry, dict):
        return None
    if "resource" in entry or "part" in entry:
        return entry.get("resource", entry.get("part"))
    return next((value for key, value in entry.items() if key.startswith("value")), None)


async def _question(engine: Engine, ctx: Context, call: Call, given: Mapping[str, Any]) -> Question:
    expression, context = given.get("expression"), given.get("context")
    if not isinstance(expression, str) or not expression.strip():
        raise Invalid("`expression` is missing: a FHIRPath as `valueString`.")
    if context is not None and not isinstance(context, str):
        raise BadValue("`context` is a FHIRPath as `valueString`.")
    resource = await _resource(engine, ctx, call, given.get("resource"))
    compiled = fhirpath.compile(expression)
    start = fhirpath.compile(context) if context else None
    if given.get("validate") in (True, "true"):
        fhirpath.check(compiled if start is None else start, str(resource["resourceType"]))
    return Question(compiled, start, resource, _variables(given.get("variables")))


async def _resource(engine: Engine, ctx: Context, call: Call, given: Any) -> Mapping[str, Any]:
    """Return the resource that was sent, or the one that the URL names."""
    if call.id:
        if given is not None:
            raise Invalid("The URL names the resource already; leave out `resource`.")
        return await _stored(engine, ctx, call.type, check_id(call.id))
    if not isinstance(given, Mapping):
        raise Invalid("`resource` is missing: what is the expression to be evaluated on?")
    type = given.get("resourceType")
    if not isinstance(type, str) or type not in RESOURCE_TYPES or type != (call.type or type):
        wanted = f"`{call.type}`" if call.type else "a resource type of FHIR R4"
        raise BadStructure(
            f"`resourceType` is `{str(type)[:60]}`, expected {wanted}.", "resourceType"
        )
    engine.authorise(ctx, type, "r")
    return given


async def _stored(engine: Engine, ctx: Context, type: str, id: str) -> Mapping[str, Any]:
    access = engine.authorise(ctx, type, "r")
    version = await engine.store.current(type, id, access)
    if version is None:
        raise NotFound(f"Resource `{type}/{id}` was not found.")
    if version.body is None:
        raise Gone(f"Resource `{type}/{id}` was deleted.")
    return jsonio.decode(version.body)


def _variables(given: Any) -> dict[str, Any]:
    """Return each part of `variables` as `%name`."""
    variables: dict[str, Any] = {}
    for part in given if isinstance(given, list) else ():
        name = part.get("name") if isinstance(part, dict) else None
        if not isinstance(name, str):
            raise BadStructure("Each part of `variables` has a `name`.")
        variables[name] = _typed(part)
    return variables


def _typed(part: Mapping[str, Any]) -> Any:
    """Return the value of a part with the type that its name says."""
    if isinstance(part.get("resource"), Mapping):
        return fhirpath.root(part["resource"])
    for key in part:
        if key.startswith("value"):
            holder = fhirpath.root({key: part[key]}, "Parameters.parameter")
            return fhirpath.compile("value").evaluate(holder)
    return None


def _results(question: Question, references: _References) -> list[dict[str, Any]]:
    references.wanted.clear()
    whole = fhirpath.root(question.resource)
    if question.context is None:
        return [{"name": "result", **_parts(_found(question, whole, references))}]
    starts = question.context.evaluate(whole, options=_OPTIONS)
    if len(starts) > _MOST_CONTEXTS:
        raise Invalid(f"`context` selects {len(starts)} items; {_MOST_CONTEXTS} at most.")
    return [
        {
            "name": "result",
            **({"valueString": start.path} if start.path else {}),
            **_parts(_found(question, start, references)),
        }
        for start in starts
    ]


def _found(question: Question, start: Node, references: _References) -> list[Node]:
    found = question.expression.evaluate(
        question.resource,
        context=start,
        variables=question.variables,
        resolve=references.resolve,
        options=_OPTIONS,
    )
    if len(found) > _MOST_RESULTS:
        raise Invalid(f"The expression finds {len(found)} items; {_MOST_RESULTS} at most.")
    return found


def _parts(found: list[Node]) -> dict[str, Any]:
    return {"part": [_part(node) for node in found]} if found else {}


def _part(node: Node) -> dict[str, Any]:
    """Return an item as `value[x]` of its own type; what has none, as JSON in an extension."""
    type = node.type.removeprefix("System.")
    if type not in {node.type, "Quantity"}:
        type = type[0].lower() + type[1:]
    part: dict[str, Any] = {"name": type}
    place = [{"url": _PATH, "valueString": node.path}] if node.path else []
    value, key = fhirpath.plain(node), f"value{type[0].upper()}{type[1:]}"
    if node.kind.resource:
        return {**part, **_extended(place), "resource": value}
    if key not in _FORMS:
        text = jsonio.encode({"value": value}).decode()[len('{"value":') : -1]
        return {**part, **_extended([*place, {"url": _JSON, "valueString": text}])}
    own = {key: value} if value is not None else {}
    sibling = {f"_{key}": node.extra} if node.extra is not None else {}
    return {**part, **_extended(place), **own, **sibling}


def _extended(extensions: list[dict[str, Any]]) -> dict[str, Any]:
    return {"extension": extensions} if extensions else {}


_FORMS: Final = frozenset(fhirpath.root({}, "Parameters.parameter").kind.members["value"].forms)


def _asked(question: Question) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [{"name": "evaluator", "valueString": "MedFlow (R4)"}]
    if question.context is not None:
        parts.append({"name": "context", "valueString": question.context.text})
    parts.append({"name": "expression", "valueString": question.expression.text})
    return {"name": "parameters", "part": parts}


async def _read_wanted(engine: Engine, ctx: Context, references: _References) -> bool:
    """Read what `resolve()` asked for, as far as the caller may; return whether anything was."""
    wanted, references.wanted = references.wanted, []
    for reference in wanted:
        if len(references.found) >= _MOST_REFERENCES:
            raise Invalid(f"`resolve()` may read {_MOST_REFERENCES} resources here.")
        references.found[reference] = await _referred(engine, ctx, reference)
    return bool(wanted)


async def _referred(engine: Engine, ctx: Context, reference: str) -> Mapping[str, Any] | None:
    local = reference.removeprefix(f"{ctx.base}/") if ctx.base else reference
    match = _LOCAL.fullmatch(local)
    if match is None:
        return None
    try:
        return await _stored(engine, ctx, match[1], match[2])
    except FhirError:
        return None  # not there, or not for this caller: `resolve()` cannot tell


FHIRPATH = Operation(
    "fhirpath",
    "http://fhirpath-lab.com/OperationDefinition/fhirpath",
    frozenset({"system", "type", "instance"}),
    evaluate,
)
