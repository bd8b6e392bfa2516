"""The order of matches: three that an index keeps, and any other by reading all of them.

https://hl7.org/fhir/R4/search.html#sort

Ascending, a resource with several values goes by its least one; descending by its greatest. One
without a value comes last, either way. The key of a resource, `Type/id`, decides between equals.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import total_ordering
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from fhir_server.search import contained, parameters, walk
from fhir_server.search.kind import kind_of
from fhir_server.search.params.number import AGE
from fhir_server.search.params.string import PHONETIC
from fhir_server.search.strings import SEPARATOR, short_key
from fhir_server.search.tokens import token
from kernel.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fhir_server.model import Resource
    from fhir_server.search.custom import Custom
    from fhir_server.search.parameters import Known, Parameter, Path

    Customs = Mapping[tuple[str, str], Custom]

Filter = dict[str, Any]
SORTS: Final[Mapping[str, tuple[tuple[str, int], ...]]] = {
    "-d": (("d", -1), ("_id", 1)),
    "d": (("d", 1), ("_id", -1)),
    "-u": (("u", -1), ("_id", 1)),
    "u": (("u", 1), ("_id", -1)),
    "_id": (("_id", 1),),
    "-_id": (("_id", -1),),
}
"""The orders that an index keeps. Each ends in the key, so that no two documents are equal."""
NEWEST: Final = "-d"
CHANGED: Final = "-u"
MOST_KEYS: Final = 5
FIRST_DATE: Final = -(10**15)


@dataclass(frozen=True, slots=True)
class Key:
    """One thing to sort by; `parameters` are one for each type that is searched."""

    name: str
    descending: bool
    parameters: tuple[Parameter, ...] = ()


@dataclass(frozen=True, slots=True)
class Order:
    """`index` names one of `SORTS`, or is "" if `keys` are to be computed from all matches."""

    index: str
    keys: tuple[Key, ...] = ()

    @property
    def sort(self) -> tuple[tuple[str, int], ...]:
        return SORTS[self.index]

    def after(self, position: Sequence[Any]) -> Filter:
        """Return the filter of what comes after a position in an index's order."""
        (field, direction), *rest = self.sort
        if not rest:
            return {"_id": {_beyond(direction): position[-1]}}
        value, key = position
        # The first bound repeats what follows, so that the index starts at the position.
        return {
            field: {f"{_beyond(direction)}e": value},
            "$or": [{field: {_beyond(direction): value}}, {"_id": {_beyond(rest[0][1]): key}}],
        }

    @property
    def projection(self) -> dict[str, int]:
        """Return the fields that computing the keys takes."""
        kinds = {row.kind for key in self.keys for row in key.parameters}
        fields = {"_id": 1, "u": 1}
        if "string" in kinds:
            fields["s"] = 1
        if kinds & RANGED:
            fields["q"] = 1
        if kinds - RANGED - {"string"}:
            fields["b"] = 1
        return fields


DECEASED: Final = "deceased[x]"
RANGED: Final = frozenset({"date", "number", "quantity"})


def order(types: tuple[str, ...], text: str, known: Known) -> Order:
    """Return the order that `_sort` asks for.

    Raises:
        Invalid: a name that is no parameter of the types, or cannot be sorted by.
    """
    if any(map(contained.is_inside, types)):
        if text:
            raise Invalid("A search of contained resources has no `_sort`.", code="not-supported")
        return Order(CHANGED)
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        return Order(NEWEST if len(types) == 1 else CHANGED)
    if len(names) > MOST_KEYS:
        raise Invalid(f"`_sort` has {len(names)} keys; {MOST_KEYS} are allowed.")
    keys = tuple(_key(types, name, known) for name in names)
    return Order(_indexed(types, keys), keys)


def _key(types: tuple[str, ...], text: str, known: Known) -> Key:
    name, _, modifier = text.removeprefix("-").partition(":")
    descending = text.startswith("-")
    if modifier:
        raise Invalid(
            f"`{text[:60]}` in `_sort` has a modifier, and none is supported."
            f" `-{name[:60]}` turns the order round.",
            code="not-supported",
        )
    if name in {"_id", "_lastUpdated"}:
        return Key(name, descending)
    rows = [known.of(type)[name] for type in types if name in known.of(type)]
    if len(rows) < len(types) or any(kind_of(row) is None for row in rows):
        missing = next((type for type in types if name not in known.of(type)), types[0])
        raise Invalid(
            f"`{missing}` cannot be sorted by `{name[:60]}`: it has no such search parameter.",
        )
    if rows[0].kind in {"composite", "special"}:
        raise Invalid(
            f"`{name}` is a {rows[0].kind} parameter, which has no order. Sort by its parts.",
            code="not-supported",
        )
    return Key(name, descending, tuple(rows))


def _indexed(types: tuple[str, ...], keys: tuple[Key, ...]) -> str:
    """Return the index order that is the same, "" if there is none."""
    first, *rest = keys
    if first.name == "_id":
        return ("-_id" if first.descending else "_id") if len(types) == 1 else ""
    primary = parameters.primary(types[0])[:1] if len(types) == 1 else ()
    field = "u" if first.name == "_lastUpdated" else ""
    if primary and primary[0].name == first.name:
        field = "d"
    found = f"-{field}" if first.descending else field
    if not field or (rest and not _tie(found, rest)):
        return ""
    return found


def _tie(found: str, rest: list[Key]) -> bool:
    """Return whether what follows is the key, in the direction that the index has anyway."""
    return rest[0].name == "_id" and rest[0].descending == (SORTS[found][1][1] < 0)


def rank(
    order: Order,
    row: Mapping[str, Any],
    resource: Resource | None,
    customs: Customs = MappingProxyType({}),
) -> Rank:
    """Return where a document stands; `resource` is its content if `b` is in the projection.

    `customs` are the parameters made over REST, by type and name.
    """
    parts = tuple(_part(key, row, resource, customs) for key in order.keys)
    return Rank(parts, row["_id"], tuple(key.descending for key in order.keys))


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Rank:
    """A place in an order: values (None: there is none), the key, and which way each goes."""

    values: tuple[Any, ...]
    key: str
    descending: tuple[bool, ...]

    def __lt__(self, other: Rank) -> bool:
        for mine, yours, down in zip(self.values, other.values, self.descending, strict=True):
            if mine == yours:
                continue
            if mine is None or yours is None:
                return yours is None
            return bool(mine > yours) if down else bool(mine < yours)
        return self.key < other.key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rank) and (self.values, self.key) == (other.values, other.key)

    def __hash__(self) -> int:
        return hash(self.key)


def _part(key: Key, row: Mapping[str, Any], resource: Resource | None, customs: Customs) -> Any:
    if key.name == "_lastUpdated":
        return int(row["u"])
    if key.name == "_id":
        return row["_id"].partition("/")[2]
    type = row["_id"].partition("/")[0]
    parameter = next(one for one in key.parameters if one.type == type)
    values = list(_values(parameter, row, resource, customs))
    if not values:
        return None
    return max(values) if key.descending else min(values)


def _values(
    parameter: Parameter, row: Mapping[str, Any], resource: Resource | None, customs: Customs
) -> Iterable[Any]:
    if parameter.kind == "string":
        keys = tuple(
            short_key(parameter.type, key.removesuffix(f":{PHONETIC}")) for key in parameter.keys
        )
        return (
            entry[len(keys[0]) :].partition(SEPARATOR)[0]
            for entry in row.get("s", ())
            if entry.startswith(keys)
        )
    if parameter.kind in RANGED:
        wanted = {token(f"{parameter.type}.{key}") for key in parameter.keys}
        lows = (_low(entry) for entry in row.get("q", ()) if entry["p"] in wanted)
        # Who was born later is younger.
        return (-low for low in lows) if parameter.paths[0].datatype == AGE else lows
    if (custom := customs.get((parameter.type, parameter.name))) is not None:
        return custom.texts(resource or {})
    return (
        text
        for path in parameter.paths
        for value in _at(resource or {}, path)
        for text in walk.texts(value)
        if path.datatype != "Reference" or _admits(parameter, text)
    )


def _at(resource: Resource, path: Path) -> Iterable[Any]:
    """Return the values at a path; `deceased[x]` is asked whether it says so."""
    if path.members == DECEASED:
        died = "deceasedDateTime" in resource or resource.get("deceasedBoolean")
        return () if died is None else (bool(died),)
    return walk.values(resource, path.members)


def _admits(parameter: Parameter, reference: str) -> bool:
    """Return whether a parameter looks at a reference: `patient` at no Device."""
    type, slash, _ = reference.partition("/")
    return not (
        slash and parameter.targets and type in parameters.types() and type not in parameter.targets
    )


def _low(entry: Mapping[str, Any]) -> float:
    low = entry["l"]
    return float(low if low > FIRST_DATE else entry["h"])


def _beyond(direction: int) -> str:
    return "$gt" if direction > 0 else "$lt"
