"""Snapshots: all elements of a profile, from its base and its differential.

https://hl7.org/fhir/R4/profiling.html#snapshot
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from fhir_server.conformance.definitions import Definitions

Row = Mapping[str, Any]

_BASE: Final = "http://hl7.org/fhir/StructureDefinition/"
_DEEPEST: Final = 16  # profiles of profiles
_MOST: Final = 6_000  # elements of one snapshot
_OWN: Final = frozenset(
    {"id", "path", "sliceName", "constraint", "slicing", "binding", "extension"}
)


def generate(
    resource: Mapping[str, Any], definitions: Definitions, near: str = "", depth: int = 0
) -> list[Row]:
    """Return the elements of the snapshot of a StructureDefinition.

    Raises:
        ValueError: its base is not known, or it constrains what the base does not have.
    """
    base = str(resource.get("baseDefinition", ""))
    if depth > _DEEPEST:
        raise ValueError(f"`{base}` is derived from itself")
    rows = _rows_of(base, definitions, near, depth)
    draft = _Snapshot(rows, definitions, near, depth)
    if resource.get("derivation") != "constraint":
        draft.rename(str(resource.get("type", "")).rpartition("/")[2])
    for row, id in _identified(resource.get("differential", {}).get("element", ())):
        draft.apply(row, id)
    return draft.rows()


def completed(
    resource: Mapping[str, Any], definitions: Definitions, near: str = ""
) -> dict[str, Any]:
    """Return a StructureDefinition with a snapshot, its own if it has one. Raises ValueError."""
    if resource.get("snapshot", {}).get("element"):
        return dict(resource)
    return {**resource, "snapshot": {"element": generate(resource, definitions, near)}}


def _rows_of(canonical: str, definitions: Definitions, near: str, depth: int) -> list[Row]:
    found = definitions.find("StructureDefinition", canonical, near)
    if found is None:
        raise ValueError(f"the definition `{canonical[:200]}` is not known here")
    resource = found.load()
    rows: list[Row] = resource.get("snapshot", {}).get("element", [])
    return rows or generate(resource, definitions, found.package, depth + 1)


def _identified(rows: Iterable[Row]) -> Iterable[tuple[Row, str]]:
    """Yield each row of a differential with its id, made of path and slice names if it has none."""
    slices: dict[str, str] = {}
    for row in rows:
        path, name = str(row["path"]), row.get("sliceName")
        slices = {p: s for p, s in slices.items() if path.startswith(f"{p}.")}
        steps = path.split(".")
        ids = [steps[0]]
        for index in range(1, len(steps)):
            within = slices.get(".".join(steps[: index + 1]), "")
            ids.append(f"{steps[index]}:{within}" if within else steps[index])
        if name:
            slices[path] = str(name)
            ids[-1] = f"{steps[-1]}:{name}"
        yield row, str(row.get("id") or ".".join(ids))


class _Snapshot:
    """The rows by id, in order, while a differential is applied to them."""

    __slots__ = ("_definitions", "_depth", "_near", "_rows")

    def __init__(
        self, rows: Iterable[Row], definitions: Definitions, near: str, depth: int
    ) -> None:
        self._rows: dict[str, Row] = {row["id"]: row for row in _identified_rows(rows)}
        self._definitions = definitions
        self._near = near
        self._depth = depth

    def rows(self) -> list[Row]:
        return list(self._rows.values())

    def rename(self, type: str) -> None:
        """Let the elements of the base be those of a new type."""
        old = next(iter(self._rows))
        renamed = (_moved(row, old, type, old, type) for row in self._rows.values())
        self._rows = {row["id"]: row for row in renamed}

    def apply(self, given: Row, id: str) -> None:
        """Merge one row of the differential into the snapshot, made room for where needed."""
        id = self._ensured(id, self._depth)
        row = self._rows[id]
        merged = {**row, **{name: given[name] for name in given if name not in _OWN}}
        if any(name.startswith(("fixed", "pattern")) for name in given):
            for name in [n for n in row if n.startswith(("fixed", "pattern")) and n not in given]:
                del merged[name]
        for name in ("slicing", "binding"):
            if name in given:
                merged[name] = {**row.get(name, {}), **given[name]}
        if "constraint" in given:
            added = {rule.get("key"): rule for rule in given["constraint"]}
            kept = [rule for rule in row.get("constraint", ()) if rule.get("key") not in added]
            merged["constraint"] = [*kept, *added.values()]
        self._rows[id] = merged
        if id.rpartition(".")[2] != str(given["path"]).rpartition(".")[2] and merged.get("min"):
            self._narrow(id, merged)

    def _narrow(self, id: str, row: Row) -> None:
        """A choice one slice of which must be there can be nothing else."""
        head, _, slice = id.rpartition(":")
        if head.endswith("[x]") and "." not in slice:
            self._rows[head] = {**self._rows[head], "min": row["min"], "type": row["type"]}

    def _ensured(self, id: str, depth: int) -> str:
        """Return the id as it is in the snapshot, after making what is missing of it.

        Raises:
            ValueError: the base has no such element.
        """
        if id in self._rows:
            return id
        parent, _, step = id.rpartition(".")
        if not parent:
            raise ValueError(f"`{id[:120]}` is not an element of the base")
        parent = self._ensured(parent, depth)
        name, _, slice = step.partition(":")
        head = f"{parent}.{name}"
        if head not in self._rows:
            self._expand(parent, depth)
        if head not in self._rows:
            return self._choice(parent, name, id)
        if slice:
            self._slice(head, slice)
        return f"{head}:{slice}" if slice else head

    def _choice(self, parent: str, name: str, id: str) -> str:
        """`valueQuantity` is the slice of `value[x]` that is a Quantity."""
        for choice, row in self._choices(parent):
            forms = {_form(choice, type): type for type in row.get("type", ())}
            if name not in forms:
                continue
            head = str(row["id"])
            sliced = f"{head}:{name}"
            if sliced not in self._rows:
                self._slice(head, name)
                self._rows[sliced] = {**self._rows[sliced], "type": [forms[name]]}
            return sliced
        raise ValueError(f"`{id[:120]}` is not an element of the base")

    def _choices(self, parent: str) -> list[tuple[str, Row]]:
        """Return the children that are choices, by name."""
        found = []
        for id, row in self._rows.items():
            choice = id.removeprefix(f"{parent}.")
            if choice.endswith("[x]") and choice != id and "." not in choice:
                found.append((choice, row))
        return found

    def _slice(self, head: str, slice: str) -> None:
        """Insert a slice behind the element and the slices that are there already."""
        id = f"{head}:{slice}"
        if id in self._rows:
            return
        outer = f"{head}:{slice.rpartition('/')[0]}"
        source = self._rows[outer if outer in self._rows else head]
        row = {name: value for name, value in source.items() if name != "slicing"}
        row |= {"id": id, "sliceName": slice, "min": 0}
        self._insert({id: row}, head)

    def _insert(self, rows: Mapping[str, Row], behind: str) -> None:
        if len(self._rows) + len(rows) > _MOST:
            raise ValueError(f"the snapshot has more than {_MOST} elements")
        ids = list(self._rows)
        last = max(
            index
            for index, id in enumerate(ids)
            if id == behind or id.startswith((f"{behind}.", f"{behind}:"))
        )
        ordered = list(self._rows.items())
        self._rows = dict([*ordered[: last + 1], *rows.items(), *ordered[last + 1 :]])

    def _expand(self, id: str, depth: int) -> None:
        """Give an element the children of what it slices, refers to, or is a type of."""
        if any(other.startswith(f"{id}.") for other in self._rows):
            return
        root, inner = self._source(self._rows[id], id, depth)
        if inner:
            path = str(self._rows[id]["path"])
            moved = [_moved(row, root["id"], id, str(root["path"]), path) for row in inner]
            self._insert({row["id"]: row for row in moved}, id)

    def _source(self, row: Row, id: str, depth: int) -> tuple[Row, list[Row]]:
        """Return an element that has the same children, and those."""
        before, colon, last = id.rpartition(":")
        if colon and "." not in last and (inner := self._below(before)):
            return self._rows[before], inner
        referred = str(row.get("contentReference", "")).partition("#")[2]
        if referred in self._rows:
            return self._rows[referred], self._below(referred)
        types = row.get("type", ())
        if not types or depth > _DEEPEST:
            return row, []
        profiles = types[0].get("profile", ())
        # Whatever is chosen, it has an id and extensions.
        code = str(types[0].get("code", "")) if len(types) == 1 else "Element"
        canonical = profiles[0] if len(profiles) == len(types) == 1 else _BASE + code
        root, *rest = _identified_rows(
            _rows_of(canonical, self._definitions, self._near, depth + 1)
        )
        return root, rest

    def _below(self, id: str) -> list[Row]:
        return [row for other, row in self._rows.items() if other.startswith(f"{id}.")]


def _form(choice: str, type: Mapping[str, Any]) -> str:
    """Return `valueQuantity` for the choice `value[x]` and the type Quantity."""
    code = str(type.get("code", ""))
    return choice.removesuffix("[x]") + code[:1].upper() + code[1:]


def _identified_rows(rows: Iterable[Row]) -> list[Row]:
    """Return the rows with ids made of their paths and slice names."""
    bare = [{**row, "id": ""} for row in rows]
    return [{**row, "id": id} for row, id in _identified(bare)]


def _moved(row: Row, old_id: str, new_id: str, old_path: str, new_path: str) -> Row:
    """Return a row at another place."""
    return {
        **row,
        "id": new_id + str(row["id"]).removeprefix(old_id),
        "path": new_path + str(row["path"]).removeprefix(old_path),
    }
