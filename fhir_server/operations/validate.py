"""$validate: all that is to be said of a resource, against R4 and against profiles.

https://hl7.org/fhir/R4/resource-operation-validate.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from fhir_server.engine import check_id
from fhir_server.operations.operation import Call, Operation
from fhir_server.operations.validating.judgement import Judgement, judge
from fhir_server.operations.validating.sight import Sight
from kernel.errors import BadStructure, BadValue, Gone, Invalid, Issue, NotFound, outcome

if TYPE_CHECKING:
    from fhir_server.engine import Engine
    from fhir_server.model import Context

MODES: Final = ("create", "update", "delete", "profile")

_KNOWN: Final = ("resource", "mode", "profile", "check-references")
_MOST_PROFILES: Final = 20
_ROUNDS: Final = 5  # how often something that was asked for may ask for more


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked. `resource` is None if the URL names a stored one."""

    resource: Mapping[str, Any] | None
    mode: str
    profiles: tuple[str, ...]
    references: bool


async def validate(engine: Engine, ctx: Context, call: Call) -> dict[str, Any]:
    """Return an OperationOutcome with every finding, whatever it says.

    Raises:
        Invalid: a parameter is unknown or malformed, or there is nothing to validate.
        NotFound: there is no such resource.
        Forbidden: the caller may not read this type.
    """
    await engine.fresh()
    question = _question(call)
    if question.mode == "delete":
        return _told(await _deletable(engine, ctx, call))
    resource = question.resource
    if resource is None:
        resource = await _stored(engine, ctx, call)
    else:
        engine.authorise(ctx, call.type, "r")
    issues = [*_placed(call, question, resource)]
    if not issues:
        issues = await _judged(engine, ctx, question, dict(resource))
    return _told(issues)


def _question(call: Call) -> Question:
    given = [*call.values]
    resource: Mapping[str, Any] | None = None
    for name, value in _parts(call):
        if name == "resource":
            resource = _only(resource, value)
        elif isinstance(value, bool):
            given.append((name, "true" if value else "false"))
        elif isinstance(value, str):
            given.append((name, value))
        else:
            raise BadValue(f"The parameter `{name[:60]}` of `$validate` has no text as its value.")
    unknown = next((name for name, _ in given if name not in _KNOWN), None)
    if unknown is not None:
        known = ", ".join(f"`{name}`" for name in _KNOWN)
        raise Invalid(f"`$validate` has no parameter `{unknown[:60]}`; it has {known}.")
    mode = _one(given, "mode")
    if mode and mode not in MODES:
        modes = ", ".join(f"`{name}`" for name in MODES)
        raise BadValue(f"`{mode[:60]}` is not a mode of `$validate`; expected one of {modes}.")
    profiles = tuple(dict.fromkeys(value for name, value in given if name == "profile" and value))
    if len(profiles) > _MOST_PROFILES:
        raise Invalid(f"{len(profiles)} profiles are given; {_MOST_PROFILES} at most.")
    question = Question(resource, mode, profiles, _one(given, "check-references") == "true")
    return _sensible(call, question)


def _sensible(call: Call, question: Question) -> Question:
    if question.mode == "profile" and not question.profiles:
        raise Invalid("The mode `profile` needs the parameter `profile`, a canonical URL.")
    if question.mode == "delete" and not call.id:
        raise Invalid("The mode `delete` is asked for on a resource: `[type]/[id]/$validate`.")
    if question.resource is None and not call.id:
        raise Invalid("There is no resource to validate: send it as body, or as `resource`.")
    return question


def _parts(call: Call) -> list[tuple[str, Any]]:
    """Return the parameters of the body, which may also be the resource itself."""
    body = call.resource
    entries = body.get("parameter") if body.get("resourceType") == "Parameters" else None
    listed = [e for e in entries if isinstance(e, dict)] if isinstance(entries, list) else []
    if call.type == "Parameters" and not any(e.get("name") == "resource" for e in listed):
        return [("resource", body)] if body else []
    if body.get("resourceType") != "Parameters":
        return [("resource", body)] if body else []
    return [_part(entry) for entry in listed]


def _part(entry: Mapping[str, Any]) -> tuple[str, Any]:
    name = entry.get("name")
    if not isinstance(name, str):
        raise BadStructure("Each parameter of `$validate` has a `name`.")
    if "resource" in entry:
        return name, entry["resource"]
    return name, next((value for key, value in entry.items() if key.startswith("value")), None)


def _only(known: Mapping[str, Any] | None, value: Any) -> Mapping[str, Any]:
    if known is not None:
        raise Invalid("The parameter `resource` of `$validate` is given twice.")
    if not isinstance(value, Mapping):
        raise BadStructure("The parameter `resource` of `$validate` has no resource.")
    return value


def _one(given: list[tuple[str, str]], name: str) -> str:
    values = [value for key, value in given if key == name]
    if len(values) > 1:
        raise Invalid(f"The parameter `{name}` of `$validate` is given twice.")
    return values[0] if values else ""


async def _stored(engine: Engine, ctx: Context, call: Call) -> Mapping[str, Any]:
    sight = Sight(engine, ctx)
    check_id(call.id)
    return await sight.read(call.type, call.id)


def _placed(call: Call, question: Question, resource: Mapping[str, Any]) -> list[Issue]:
    """Return what is wrong before anything else is: the type, and the id where it matters."""
    type, id = resource.get("resourceType"), resource.get("id")
    if type != call.type:
        said = f"`{str(type)[:60]}`" if type is not None else "missing"
        sentence = f"`resourceType` is {said}, but `{call.type}` is expected here."
        return [Issue("structure", sentence, ("resourceType",), pointer="/resourceType")]
    if question.mode != "update" or question.resource is None:
        return []
    if id is None:
        sentence = "`id` is missing: an update sends the id of what it changes."
    elif call.id and id != call.id:
        sentence = f"`id` is `{str(id)[:80]}`, but the update is of `{call.type}/{call.id}`."
    else:
        return []
    return [Issue("value", sentence, (f"{call.type}.id",), pointer="/id")]


async def _deletable(engine: Engine, ctx: Context, call: Call) -> list[Issue]:
    """Return why a resource cannot be deleted."""
    engine.authorise(ctx, call.type, "d")
    try:
        await _stored(engine, ctx, call)
    except (NotFound, Gone) as error:
        return list(error.issues)
    return []


async def _judged(
    engine: Engine, ctx: Context, question: Question, resource: dict[str, Any]
) -> list[Issue]:
    """Judge again as long as something was missing that the database may have."""
    sight = Sight(engine, ctx, references=question.references)
    task = Judgement(sight, resource, question.profiles)
    found: list[Issue] = []
    for _ in range(_ROUNDS):
        # In a thread: profiles of a large resource take their time, and others do not wait.
        found = await asyncio.to_thread(judge, task)
        if not await sight.look():
            break
    return found


def _told(issues: list[Issue]) -> dict[str, Any]:
    if not issues:
        issues = [Issue("informational", "All OK: no fault was found.", severity="information")]
    return dict(outcome(Invalid("", issues=_ordered(issues))))


_SEVERITIES: Final = ("fatal", "error", "warning", "information")


def _ordered(issues: list[Issue]) -> list[Issue]:
    """Return errors first; what is of one severity stays in the order of the resource."""
    return sorted(issues, key=lambda issue: _SEVERITIES.index(issue.severity))


VALIDATE = Operation(
    "validate",
    "http://hl7.org/fhir/OperationDefinition/Resource-validate",
    frozenset({"type", "instance"}),
    validate,
)
