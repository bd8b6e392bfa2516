"""A node: one item of a collection, with its type, its extensions, and where it is.

https://hl7.org/fhirpath/N1/#path-selection
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fhir_server.fhirpath import kinds
from fhir_server.fhirpath.kinds import kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fhir_server.fhirpath.kinds import Kind, Member


class Node:
    """One item. Nothing ever changes in it or in what it points to.

    `value` is the JSON value: None where a primitive has only an extension. Computed items hold
    `bool`, `int`, `Decimal`, `str`, `Temporal` or `Amount`. `extra` is the `_name` sibling of a
    primitive, with its `id` and `extension`. `index` is None where the element does not repeat.
    """

    __slots__ = ("extra", "index", "kind", "name", "parent", "value")

    def __init__(
        self,
        value: Any,
        kind: Kind,
        extra: Any = None,
        parent: Node | None = None,
        name: str = "",
        index: int | None = None,
    ) -> None:
        self.value = value
        self.kind = kind
        self.extra = extra
        self.parent = parent
        self.name = name
        self.index = index

    @property
    def type(self) -> str:
        """The FHIR type, such as `HumanName` or `Patient.contact`, or as `System.String`."""
        kind = self.kind
        return kind.name if kind.namespace == "FHIR" else f"System.{kind.name}"

    @property
    def path(self) -> str:
        """Where the node is, such as `Patient.name[0].given[1]`; "" for a computed item."""
        if self.parent is None:
            return self.name
        own = self.name if self.index is None else f"{self.name}[{self.index}]"
        return f"{self.parent.path}.{own}"

    def __repr__(self) -> str:
        return f"Node({self.kind.name}, {self.path or self.value!r})"


Collection = list[Node]
"""Shared freely between expressions: never changed once it is returned."""

EMPTY: Final[Collection] = []


def root(resource: Mapping[str, Any], type: str = "") -> Node:
    """Return the node of a whole resource, or of a value of a data type that `type` names."""
    tree = resource if isinstance(resource, dict) else dict(resource)
    name = type or str(tree.get("resourceType") or "Resource")
    return Node(tree, kind(name), name=name)


def _tree(node: Node) -> dict[str, Any] | None:
    tree = node.value
    if tree.__class__ is dict:
        return tree
    tree = node.extra
    return tree if tree.__class__ is dict else None


def step(node: Node, name: str, out: Collection) -> None:
    """Append the children of one name to `out`."""
    tree = node.value
    if tree.__class__ is not dict:
        tree = node.extra
        if tree.__class__ is not dict:
            return
    member = node.kind.members.get(name)
    if member is None:
        return
    if member.forms:
        _choice(node, tree, member, out)
        return
    value = tree.get(name)
    kind = member.kind
    if value.__class__ is not list and not kind.primitive:
        if value.__class__ is dict:
            if kind.name == "Resource":
                kind = _resource_kind(value)
            out.append(Node(value, kind, None, node, name, 0 if member.many else None))
        return
    _grow(node, tree, name, name, kind, out)


def _choice(node: Node, tree: dict[str, Any], member: Member, out: Collection) -> None:
    forms = member.forms
    for key in tree:
        found = forms.get(key)
        if found is not None:
            form, kind = found
            # `_valueString` beside `valueString` is part of the same child.
            if key is form or key == form or form not in tree:
                _grow(node, tree, form, member.name, kind, out)


def _grow(
    node: Node, tree: dict[str, Any], form: str, name: str, kind: Kind, out: Collection
) -> None:
    value = tree.get(form)
    extra = tree.get(f"_{form}") if kind.primitive else None
    if value is None and extra is None:
        return
    if value.__class__ is list or extra.__class__ is list:
        _repeat(node, value, extra, name, kind, out)
    else:
        out.append(Node(value, kind, extra, node, name))


def _repeat(node: Node, value: Any, extra: Any, name: str, kind: Kind, out: Collection) -> None:
    values: list[Any] = value if isinstance(value, list) else []
    extras: list[Any] = extra if isinstance(extra, list) else []
    for index in range(max(len(values), len(extras))):
        item = values[index] if index < len(values) else None
        more = extras[index] if index < len(extras) else None
        if (item is None and more is None) or item.__class__ is list:
            continue
        own = _resource_kind(item) if kind.name == "Resource" else kind
        out.append(Node(item, own, more, node, name, index))


def _resource_kind(value: Any) -> Kind:
    type = value.get("resourceType") if isinstance(value, dict) else None
    return kind(type) if isinstance(type, str) and len(type) <= 64 else kind("Resource")


def children(node: Node) -> Collection:
    """Return all children, in the order of the type's definition."""
    out: Collection = []
    if _tree(node) is not None:
        for name in node.kind.members:
            step(node, name, out)
    return out


def enclosing(node: Node) -> Iterator[Node]:
    """Yield the node if it is a resource, and every resource around it, inner ones first."""
    current: Node | None = node
    while current is not None:
        if current.kind.resource:
            yield current
        current = current.parent


_BOOLEAN: Final = kinds.system("Boolean")
_INTEGER: Final = kinds.system("Integer")
_STRING: Final = kinds.system("String")

TRUE: Final[Collection] = [Node(True, _BOOLEAN)]
FALSE: Final[Collection] = [Node(False, _BOOLEAN)]


def boolean(value: bool | None) -> Collection:
    """Return the collection of a three-valued truth; None is empty."""
    if value is None:
        return EMPTY
    return TRUE if value else FALSE


def integer(value: int) -> Collection:
    return [Node(value, _INTEGER)]


def string(value: str) -> Collection:
    return [Node(value, _STRING)]
