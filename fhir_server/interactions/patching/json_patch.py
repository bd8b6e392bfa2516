"""JSON Patch on a decoded resource, numbers kept exactly.

https://www.rfc-editor.org/rfc/rfc6902, with JSON Pointers of https://www.rfc-editor.org/rfc/rfc6901
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from fhir_server import jsonio
from kernel.errors import BadStructure, BadValue, Invalid, TooLarge, Unprocessable

MOST: Final = 1000
"""Operations in one patch."""
DEEPEST: Final = jsonio.NESTING
"""Steps of one pointer; no resource is nested deeper."""
COPIED_BYTES: Final = 16 << 20
"""All that one patch may copy: a copy of a copy of a copy must not fill the memory."""
_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)
_BAD_ESCAPE: Final = re.compile(r"~(?![01])")
_MISSING: Final = object()

Pointer = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation; `number` counts from 1, `path` and `origin` are pointers."""

    number: int
    op: str
    path: Pointer
    origin: Pointer = ()
    value: Any = None

    def refuse(self, why: str) -> Unprocessable:
        """Return the refusal of an operation that does not fit to the resource."""
        return Unprocessable(
            f"Operation {self.number} (`{self.op}` at `{written(self.path)}`): {why}"
        )


def read(body: bytes) -> list[Operation]:
    """Return the operations of a patch.

    Raises:
        BadStructure: not JSON, or not an array of operations.
        BadValue: an operation lacks a member, or has a wrong one.
        TooLarge: more than `MOST` operations.
    """
    # A patch is an array, and only objects are decoded exactly: it is read as the member of one.
    tree = jsonio.decode(b'{"patch":' + body.removeprefix(b"\xef\xbb\xbf") + b"}")
    steps = tree.get("patch")
    if len(tree) != 1 or not isinstance(steps, list):
        raise BadStructure("A JSON Patch is an array of operations.")
    if len(steps) > MOST:
        raise TooLarge(f"The patch has {len(steps)} operations; {MOST} are accepted.")
    return [_operation(number, step) for number, step in enumerate(steps, 1)]


def apply(resource: dict[str, Any], operations: Sequence[Operation]) -> dict[str, Any]:
    """Return the patched resource; the one given is changed on the way.

    Raises:
        Unprocessable: an operation does not fit to the resource, or a `test` fails.
        TooLarge: the operations copy too much.
    """
    document: Any = resource
    copied = 0
    for operation in operations:
        step = operation
        if step.op == "copy":
            found = jsonio.encode({"value": _get(document, step, step.origin)})
            copied += len(found)
            if copied > COPIED_BYTES:
                raise TooLarge(f"The patch copies more than {COPIED_BYTES >> 20} MB.")
            document = _add(document, step, jsonio.decode(found)["value"])
        else:
            document = _APPLIED[step.op](document, step)
    if not isinstance(document, dict):
        raise Unprocessable("The patch leaves no resource, but another JSON value.")
    return document


def _operation(number: int, step: Any) -> Operation:
    where = f"Operation {number}"
    if not isinstance(step, dict):
        raise BadStructure(f"{where} is not a JSON object.")
    op = step.get("op")
    if not isinstance(op, str) or op not in _MEMBERS:
        raise BadValue(f"{where}: `op` is `{str(op)[:40]}`; {', '.join(_MEMBERS)} are possible.")
    for member in _MEMBERS[op]:
        if member not in step:
            raise BadValue(f"{where}: `{op}` needs the member `{member}`.")
    path = pointer(step["path"], where)
    origin = pointer(step["from"], where) if "from" in _MEMBERS[op] else ()
    if op == "move" and origin == path[: len(origin)] and origin != path:
        raise Invalid(f"{where}: `{written(origin)}` cannot be moved into itself.")
    return Operation(number, op, path, origin, step.get("value"))


def pointer(text: Any, where: str) -> Pointer:
    """Return the steps of a JSON Pointer, escapes resolved.

    Raises:
        BadValue: it is none.
    """
    if not isinstance(text, str) or (text and text[0] != "/") or _BAD_ESCAPE.search(text):
        raise BadValue(
            f"{where}: `{str(text)[:80]}` is not a JSON Pointer; one such as `/name/0/family` is,"
            " where `~1` is a `/` and `~0` a `~` within a name."
        )
    steps = tuple(step.replace("~1", "/").replace("~0", "~") for step in text.split("/")[1:])
    if len(steps) > DEEPEST:
        raise BadValue(f"{where}: the JSON Pointer has {len(steps)} steps; {DEEPEST} are possible.")
    return steps


def written(path: Pointer) -> str:
    """Return a pointer as an answer shows it."""
    return "".join(f"/{step.replace('~', '~0').replace('/', '~1')}" for step in path)[:200]


def _add(document: Any, step: Operation, value: Any) -> Any:
    if not step.path:
        return value
    parent, last = _parent(document, step, step.path)
    if isinstance(parent, list):
        index = len(parent) if last == "-" else _index(parent, step, last, len(parent))
        parent.insert(index, value)
    else:
        parent[last] = value
    return document


def _remove(document: Any, step: Operation, path: Pointer) -> Any:
    if not path:
        raise step.refuse("the whole resource cannot be removed by a patch. Delete it instead.")
    parent, last = _parent(document, step, path)
    if isinstance(parent, list):
        parent.pop(_index(parent, step, last, len(parent) - 1))
    elif last in parent:
        del parent[last]
    else:
        raise step.refuse(f"there is nothing at `{written(path)}`.")
    return document


def _replace(document: Any, step: Operation) -> Any:
    # A copy: later operations may change what is put there, and the patch may be applied again.
    value = deepcopy(step.value)
    if not step.path:
        return value
    parent, last = _parent(document, step, step.path)
    if isinstance(parent, list):
        parent[_index(parent, step, last, len(parent) - 1)] = value
    elif last in parent:
        parent[last] = value
    else:
        raise step.refuse("there is nothing to replace.")
    return document


def _move(document: Any, step: Operation) -> Any:
    value = _get(document, step, step.origin)
    if step.origin == step.path:
        return document
    return _add(_remove(document, step, step.origin), step, value)


def _test(document: Any, step: Operation) -> Any:
    if not equal(_get(document, step, step.path), step.value):
        raise step.refuse("the value there is another than the test expects.")
    return document


def _get(document: Any, step: Operation, path: Pointer) -> Any:
    found = document
    for count, name in enumerate(path, 1):
        if isinstance(found, list):
            found = found[_index(found, step, name, len(found) - 1)]
        else:
            found = found.get(name, _MISSING) if isinstance(found, dict) else _MISSING
        if found is _MISSING:
            raise step.refuse(f"there is nothing at `{written(path[:count])}`.")
    return found


def _parent(document: Any, step: Operation, path: Pointer) -> tuple[Any, str]:
    parent = _get(document, step, path[:-1])
    if not isinstance(parent, dict | list):
        raise step.refuse(f"`{written(path[:-1])}` is neither an object nor an array.")
    return parent, path[-1]


def _index(items: list[Any], step: Operation, name: str, highest: int) -> int:
    if name == "-":
        raise step.refuse("`-` is the place after the last item, where only an `add` can go.")
    if _INDEX.fullmatch(name) is None:
        raise step.refuse(f"`{name[:40]}` is not the index of an array.")
    if int(name) > highest:
        raise step.refuse(f"the array has {len(items)} items, so that there is no `{name}`.")
    return int(name)


def equal(one: Any, other: Any) -> bool:
    """Return whether two JSON values are equal: numbers by value, objects in any order.

    https://www.rfc-editor.org/rfc/rfc6902#section-4.6
    """
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | Decimal) and isinstance(other, int | Decimal):
        return one == other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(equal, one, other))
    return type(one) is type(other) and bool(one == other)


_MEMBERS: Final[dict[str, tuple[str, ...]]] = {
    "add": ("path", "value"),
    "remove": ("path",),
    "replace": ("path", "value"),
    "move": ("path", "from"),
    "copy": ("path", "from"),
    "test": ("path", "value"),
}
_APPLIED: Final[dict[str, Callable[[Any, Operation], Any]]] = {
    "add": lambda document, step: _add(document, step, deepcopy(step.value)),
    "remove": lambda document, step: _remove(document, step, step.path),
    "replace": _replace,
    "move": _move,
    "test": _test,
}
