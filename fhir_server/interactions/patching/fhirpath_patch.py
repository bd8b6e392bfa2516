"""FHIRPath Patch: add, insert, delete, replace and move, on plain FHIR JSON.

https://hl7.org/fhir/R4/fhirpatch.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

from fhir_server import fhirpath
from fhir_server.fhirpath import Expression, Node, Options, compiler
from fhir_server.fhirpath.scope import Run, Scope
from fhir_server.fhirpath.syntax import Name, Step
from fhir_server.interactions.patching.patch_value import Content, content, element
from fhir_server.interactions.patching.place import Misfit, Place
from kernel.errors import BadStructure, BadValue, Invalid, TooLarge, Unprocessable

MOST: Final = 500
"""Operations in one patch."""

_STEPS: Final = 2_000_000  # nodes that all paths of a patch may visit together
_FEWEST_STEPS: Final = 5_000  # what a path may visit however many there are

_PARTS: Final = {
    "add": ("path", "name", "value"),
    "insert": ("path", "index", "value"),
    "delete": ("path",),
    "replace": ("path", "value"),
    "move": ("path", "source", "destination"),
}
"""The operations, and the parts that each needs besides `type`."""

_INDEXES: Final = frozenset({"index", "source", "destination"})


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation; `number` counts from 1. `parts` are as they were sent, by name."""

    number: int
    type: str
    path: Expression
    parts: Mapping[str, Mapping[str, Any]]
    indexes: Mapping[str, int]

    def refuse(self, why: str) -> Unprocessable:
        """Return the refusal of an operation that does not fit to the resource."""
        path = self.path.text[:200]
        return Unprocessable(f"Operation {self.number} (`{self.type}` at `{path}`): {why}")


def apply(resource: dict[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the patched resource; the one given stays as it is.

    Raises:
        Invalid: the Parameters are no patch.
        Unprocessable: an operation does not fit to the resource; says which, and why.
        TooLarge: there are more than `MOST` operations.
    """
    operations = read(parameters)
    patched = deepcopy(resource)
    steps = max(_STEPS // max(len(operations), 1), _FEWEST_STEPS)
    for operation in operations:
        try:
            _APPLY[operation.type](patched, operation, Options(steps=steps))
        except Misfit as error:
            raise operation.refuse(str(error)) from None
        except Invalid as error:
            raise operation.refuse(error.issues[0].diagnostics) from None
    return patched


def read(parameters: Mapping[str, Any]) -> list[Operation]:
    """Return the operations of a patch.

    Raises:
        BadStructure: it is no Parameters resource of operations.
        BadValue: an operation lacks a part, or has a wrong one.
        TooLarge: there are more than `MOST`.
    """
    if parameters.get("resourceType") != "Parameters":
        raise BadStructure("A FHIRPath Patch is a `Parameters` resource.", "resourceType")
    given = parameters.get("parameter", [])
    if not isinstance(given, list):
        raise BadStructure("`parameter` is an array.", "Parameters.parameter")
    if len(given) > MOST:
        raise TooLarge(f"The patch has {len(given)} operations; {MOST} at most.")
    return [_operation(number, one) for number, one in enumerate(given, 1)]


def _operation(number: int, given: Any) -> Operation:
    at = f"Parameters.parameter[{number - 1}]"
    if not isinstance(given, dict) or given.get("name") != "operation":
        raise BadStructure(f"Parameter {number} of a patch has the name `operation`.", at)
    parts = _parts(number, given.get("part"), at)
    type, path = _text(parts.get("type")), _text(parts.get("path"))
    if type not in _PARTS:
        known = ", ".join(f"`{name}`" for name in _PARTS)
        raise BadValue(f"Operation {number}: the part `type` is one of {known} as `valueCode`.", at)
    needed = _PARTS[type]
    missing = [name for name in needed if name not in parts]
    extra = [name for name in parts if name not in {"type", *needed}]
    if missing:
        raise BadValue(f"Operation {number} (`{type}`) has no part `{missing[0]}`.", at)
    if extra:
        raise BadValue(f"Operation {number} (`{type}`) takes no part `{extra[0][:40]}`.", at)
    if not path:
        raise BadValue(f"Operation {number} (`{type}`): `path` is a `valueString`.", at)
    where = f"Operation {number} (`{type}`)"
    indexes = {name: _index(where, name, parts[name], at) for name in needed if name in _INDEXES}
    try:
        return Operation(number, type, fhirpath.compile(path), parts, indexes)
    except Invalid as error:
        raise BadValue(f"{where}: {error.issues[0].diagnostics}", at) from None


def _index(where: str, name: str, part: Mapping[str, Any], at: str) -> int:
    for key in ("valueInteger", "valueUnsignedInt", "valuePositiveInt"):
        value = part.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
    raise BadValue(f"{where}: `{name}` is a `valueInteger` from 0 on.", at)


def _parts(number: int, given: Any, at: str) -> dict[str, Mapping[str, Any]]:
    parts: dict[str, Mapping[str, Any]] = {}
    for part in given if isinstance(given, list) else ():
        name = part.get("name") if isinstance(part, dict) else None
        if not isinstance(name, str):
            raise BadStructure(f"Operation {number}: each part is an object with a `name`.", at)
        if name in parts:
            raise BadValue(f"Operation {number}: the part `{name[:40]}` is given twice.", at)
        parts[name] = part
    return parts


def _text(part: Mapping[str, Any] | None) -> str:
    for key in ("valueString", "valueCode"):
        value = None if part is None else part.get(key)
        if isinstance(value, str):
            return value
    return ""


def _nodes(resource: dict[str, Any], operation: Operation, options: Options) -> list[Node]:
    return operation.path.evaluate(resource, options=options)


def _one(resource: dict[str, Any], operation: Operation, options: Options) -> Node:
    found = _nodes(resource, operation, options)
    if not found:
        raise Misfit("No element is there.")
    if len(found) > 1:
        raise Misfit(f"{len(found)} elements are there, and it takes one.")
    return found[0]


def _add(resource: dict[str, Any], operation: Operation, options: Options) -> None:
    holder = _one(resource, operation, options)
    name = _text(operation.parts["name"])
    member, form = element(holder.kind, name)
    new = content(member, operation.parts["value"], form)
    place = Place.below(holder, member, new.form)
    if member.many:
        place.write([*place.pairs(), (new.value, new.extra)])
        return
    present = Place.present(holder, member)
    if present:
        raise Misfit(f"`{present}` is there already and does not repeat. Use `replace`.")
    place.write_one(new.value, new.extra)


def _insert(resource: dict[str, Any], operation: Operation, options: Options) -> None:
    place, member = _list(resource, operation, options)
    index = operation.indexes["index"]
    pairs = place.pairs()
    if index > len(pairs):
        raise Misfit(f"The list has {len(pairs)} items; `index` {index} is behind its end.")
    new = content(member, operation.parts["value"])
    pairs.insert(index, (new.value, new.extra))
    place.write(pairs)


def _move(resource: dict[str, Any], operation: Operation, options: Options) -> None:
    place, _ = _list(resource, operation, options)
    pairs = place.pairs()
    source, destination = operation.indexes["source"], operation.indexes["destination"]
    for name, at in (("source", source), ("destination", destination)):
        if at >= len(pairs):
            raise Misfit(f"The list has {len(pairs)} items; there is no `{name}` {at}.")
    pairs.insert(destination, pairs.pop(source))
    place.write(pairs)


def _list(resource: dict[str, Any], operation: Operation, options: Options) -> tuple[Place, Any]:
    """Return the whole list that a path leads to; an empty one is known by its path only."""
    nodes = _nodes(resource, operation, options)
    if not nodes:
        return _empty_list(resource, operation, options)
    place, member = Place.of(nodes[0])
    if not member.many:
        raise Misfit(f"`{member.name}` does not repeat, so it is no list.")
    if any(Place.of(node)[0] != place for node in nodes) or len(nodes) != len(place.pairs()):
        raise Misfit("The path does not lead to one whole list.")
    return place, member


def _empty_list(
    resource: dict[str, Any], operation: Operation, options: Options
) -> tuple[Place, Any]:
    tree = operation.path.tree
    if isinstance(tree, Step) and isinstance(tree.then, Name):
        run = Run(fhirpath.root(resource), options)
        holders = compiler.compiled(tree.target)(Scope(run, [run.context]))
        if len(holders) == 1:
            member, _ = element(holders[0].kind, tree.then.name)
            if member.many:
                return Place.below(holders[0], member, member.name), member
    raise Misfit("No list is there.")


def _delete(resource: dict[str, Any], operation: Operation, options: Options) -> None:
    """Remove the element and whatever it leaves empty; what is not there is deleted already."""
    nodes = _nodes(resource, operation, options)
    if len(nodes) > 1:
        raise Misfit(f"{len(nodes)} elements are there, and it deletes one.")
    for node in nodes:
        _remove(node)


def _remove(node: Node) -> None:
    place, member = Place.of(node)
    if member.many:
        pairs = place.pairs()
        del pairs[node.index or 0]
        place.write(pairs)
    else:
        place.write_one(None, None)
    holder = node.parent
    if holder is not None and holder.parent is not None and not place.holder:
        _leave(holder)


def _leave(holder: Node) -> None:
    """Remove an object that was left empty; a primitive keeps its value."""
    if isinstance(holder.value, dict) or holder.value is None:
        _remove(holder)
        return
    place, member = Place.of(holder)
    if not member.many:
        place.write_one(holder.value, None)
        return
    pairs = place.pairs()
    pairs[holder.index or 0] = (holder.value, None)
    place.write(pairs)


def _replace(resource: dict[str, Any], operation: Operation, options: Options) -> None:
    node = _one(resource, operation, options)
    place, member = Place.of(node)
    new: Content = content(member, operation.parts["value"])
    if member.many:
        pairs = place.pairs()
        pairs[node.index or 0] = (new.value, new.extra)
        place.write(pairs)
        return
    if new.form != place.form:
        place.write_one(None, None)
    Place(place.holder, new.form, node.kind.primitive).write_one(new.value, new.extra)


_APPLY: Final[Mapping[str, Callable[[dict[str, Any], Operation, Options], None]]] = {
    "add": _add,
    "insert": _insert,
    "delete": _delete,
    "replace": _replace,
    "move": _move,
}
