"""Composite parameters: several values that must be met together.

https://hl7.org/fhir/R4/search.html#composite

Where the element that holds the parts occurs once, the conjunction of the parts is exact and nothing
more is stored. Where it repeats, each of its values has entries of its own: the key names the
element and the codes of its parts, `l` and `h` are its number, date or quantity, and `u` has a
token for each `system|code`, `system|` and unit. docs/search.md has the texts.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, product
from typing import TYPE_CHECKING, Any, Final

from fhir_server.search import dates, parameters, walk
from fhir_server.search.kind import (
    AnyOf,
    Condition,
    Facts,
    Index,
    Scope,
    SearchType,
    Where,
    either,
    kind_of,
)
from fhir_server.search.numbers import WIDE, compared, comparison
from fhir_server.search.params import date, number, quantity, reference
from fhir_server.search.params.number import one_of
from fhir_server.search.params.token import PAIRS
from fhir_server.search.text import split, unescape
from fhir_server.search.tokens import plain, token
from kernel.errors import BadValue

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

    from fhir_server.search.parameters import Parameter, Path, Root

MEASURED: Final = frozenset({"number", "quantity", "date"})
"""Kinds of parts that are intervals; the others are codes."""
MOST_ENTRIES: Final = 1000
"""Entries of one element: a hostile one with thousand codings on either side has no more."""

Filter = dict[str, Any]
Paths = list[tuple[str, str]]
Entry = tuple[str, float, float, tuple[int, ...]]
"""What follows the key, low, high, the tokens of the unit."""
NO_INTERVAL: Final[Entry] = ("", 0.0, 0.0, ())


@dataclass(frozen=True, slots=True)
class Code:
    """One form of a part that is a code: `text` goes into the key, `marks` into the tokens.

    What is stored has all marks of the code. What is asked has at most one, and no `text` where it
    asks for any code of a system.
    """

    text: str | None
    marks: tuple[str, ...] = ()


def index(type: str, path: Path) -> Index:
    root = _root(type, path.key)
    parts = _inside(root)
    coded = [_relative(part, root) for part in parts if not _measured(part)]
    measured = [(part.kind, _relative(part, root)) for part in parts if _measured(part)]
    start = f"{type}.{path.key}"

    return lambda element, facts: together(start, coded, measured, element, facts)


def together(
    start: str,
    coded: list[Paths],
    measured: list[tuple[str, Paths]],
    element: Any,
    facts: Facts,
) -> None:
    """Add the entries of one element: of its codes, and of its measures with their kinds."""
    codes = [list(_codes(paths, element)) for paths in coded]
    found = _intervals_of(measured, element, facts.zone) if measured else [NO_INTERVAL]
    for suffix, low, high, units in found:
        for forms in islice(product(*codes), MOST_ENTRIES):
            key, marks = _stored(start + suffix, forms)
            facts.quantities.append((key, low, high, units + marks))


def _root(type: str, key: str) -> Root:
    return next(
        root for row in parameters.of(type).values() for root in row.composite if root.key == key
    )


def _inside(root: Root) -> list[Parameter]:
    """Return the parts that are inside the element that repeats."""
    start = f"{root.members}."
    return [part for part in root.parts if root.key and part.paths[0].members.startswith(start)]


def _measured(part: Parameter) -> bool:
    return part.kind in MEASURED


def _relative(part: Parameter, root: Root) -> Paths:
    """Return data types and members of a part, seen from the element that repeats."""
    return [(row.datatype, row.members.removeprefix(f"{root.members}.")) for row in part.paths]


@lru_cache(maxsize=1 << 14)
def _stored(start: str, forms: tuple[Code, ...]) -> tuple[int, tuple[int, ...]]:
    """Return the key of an entry and the tokens of its codes."""
    texts = [(form.text or "").replace("$", "\\$") for form in forms]
    marks = [
        token(f"{start}${place}={mark}") for place, form in enumerate(forms) for mark in form.marks
    ]
    if len(forms) > 1:  # one of them may be asked for without its code, and then there is no key
        marks += [
            token(f"{start}${place}={form.text}") for place, form in enumerate(forms) if form.text
        ]
    return token("$".join([start, *texts])), tuple(marks)


def _codes(paths: Paths, element: Any) -> Iterator[Code]:
    """Yield the codes of a part in an element, as they are stored."""
    for datatype, members in paths:
        for value in walk.values(element, members):
            if datatype == "CodeableConcept":
                for coding in value.get("coding") or ():
                    yield _coded(coding.get("system"), coding.get("code"))
            elif datatype in PAIRS:
                code = value.get("value" if datatype == "Identifier" else "code")
                yield _coded(value.get("system"), code)
            elif datatype == "Reference":
                if written := value.get("reference"):
                    yield Code(written.partition("/_history/")[0])
            elif isinstance(value, bool):
                yield Code("true" if value else "false")
            else:
                yield Code(plain(value))


@lru_cache(maxsize=1 << 12)
def _coded(system: str | None, code: str | None) -> Code:
    space, bare = plain(system or ""), plain(code or "")
    return Code(bare, (f"{space}|{bare}", f"{space}|") if system else (f"|{bare}",))


def _intervals_of(
    parts: list[tuple[str, Paths]], element: Any, zone: ZoneInfo | None
) -> list[Entry]:
    """Return the intervals of an element; two points are the two ends of one entry."""
    first, *rest = (
        [
            entry
            for datatype, members in paths
            for value in walk.values(element, members)
            for entry in _read(kind, datatype, value, zone)
        ]
        for kind, paths in parts
    )
    for other in rest:
        first = [("", low, high, ()) for _, low, _, _ in first for _, _, high, _ in other]
    return first


def _read(kind: str, datatype: str, value: Any, zone: ZoneInfo | None) -> list[Entry]:
    if kind == "quantity":
        return quantity.READ.get(datatype, quantity.quantity)(value)
    found: tuple[float, float] | None
    if kind == "number":
        found = (number.interval if datatype == "Range" else number.point)(value)
    else:
        try:
            found = date.READ.get(datatype, dates.bounds)(value, zone)
        except (ValueError, OverflowError):  # validation says so; it must not stop the index
            found = None
    if found is None:
        return []
    entry: Entry = ("", *found, ())
    widest = date.DAY if kind == "date" else 0
    return [entry] if found[1] - found[0] <= widest else [entry, (WIDE, *found, ())]


def match(parameter: Parameter, _: str, values: tuple[str, ...], scope: Scope) -> Condition:
    return either([found for value in values for found in _alternatives(parameter, value, scope)])


def _alternatives(parameter: Parameter, value: str, scope: Scope) -> list[Filter]:
    """Return a filter for each root; one that no resource can meet is left out.

    Raises:
        BadValue: not as many values as there are parts, or one without the form of its part.
    """
    texts = split(value, "$")
    wanted = [part.name for part in parameter.composite[0].parts]
    if len(texts) != len(wanted) or not all(texts):
        raise BadValue(
            f"`{value[:200]}` has not one value for each part of `{parameter.name}`:"
            f" `{'$'.join(wanted)}`."
        )
    return [_filter(parameter.type, root, texts, scope) for root in parameter.composite]


def _filter(type: str, root: Root, texts: list[str], scope: Scope) -> Filter:
    parts = list(zip(root.parts, texts, strict=True))
    inside = _inside(root)
    filters = [_simple(part, text, scope) for part, text in parts if part not in inside]
    if inside:
        together = [(part, text) for part, text in parts if part in inside]
        filters.append(_together(f"{type}.{root.key}", together, scope))
        # The first code is also a token of its own, whose index may be the faster way.
        filters += [_simple(part, text, scope) for part, text in together if part.kind == "token"][
            :1
        ]
    return _every(filters)


def _simple(part: Parameter, text: str, scope: Scope) -> Filter:
    """Return the filter of one part by itself."""
    kind = kind_of(part)
    if kind is None:
        raise ValueError(f"`{part.name}` cannot be searched with.")
    found = kind.match(part, "", (text,), scope)
    if isinstance(found, AnyOf):
        return {"k": one_of(found.tokens)}
    if isinstance(found, Where):
        return found.filter
    return {"k": {"$nin": list(found.tokens)}}


def _every(filters: list[Filter]) -> Filter:
    merged: Filter = {}
    for found in filters:
        if merged.keys() & found.keys():
            return {"$and": filters}
        merged |= found
    return merged


def _together(start: str, parts: list[tuple[Parameter, str]], scope: Scope) -> Filter:
    """Return the filter that one value of the repeating element meets all parts."""
    codes = [_asked(part, text, scope) for part, text in parts if not _measured(part)]
    measured = [(part, text) for part, text in parts if _measured(part)]
    found = [
        element
        for suffix, condition in _intervals(measured, scope)
        for element in _elements(start + suffix, codes, condition)
    ]
    if not found:
        return {"k": {"$in": []}}
    return found[0] if len(found) == 1 else {"$or": found}


def _elements(start: str, codes: list[list[Code]], condition: Filter) -> list[Filter]:
    """Return a filter for each way in which codes and their systems can be stored."""
    keys: dict[tuple[int, ...], list[int]] = {}
    anything: dict[tuple[int, ...], None] = {}
    for forms in product(*codes):
        key, marks = _stored(start, forms)
        if any(form.text is None for form in forms):
            anything[marks] = None
        else:
            keys.setdefault(marks, []).append(key)
    found = [({"p": one_of(some)}, marks) for marks, some in keys.items()]
    return [
        {"q": {"$elemMatch": key | _marked(condition, marks)}}
        for key, marks in [*found, *(({}, marks) for marks in anything)]
    ]


def _marked(condition: Filter, marks: tuple[int, ...]) -> Filter:
    """Return the condition with the tokens that an entry must have besides that of its unit."""
    wanted = [*([condition["u"]] if "u" in condition else []), *marks]
    if not wanted:
        return condition
    return condition | {"u": wanted[0] if len(wanted) == 1 else {"$all": wanted}}


def _intervals(parts: list[tuple[Parameter, str]], scope: Scope) -> list[tuple[str, Filter]]:
    """Return the conditions on an entry, any of which may hold, with what follows its key."""
    if not parts:
        return [("", {})]
    kind, text = parts[0][0].kind, parts[0][1]
    if kind == "quantity":
        return quantity.asked(text).conditions()
    if kind == "date":
        return date.compared(*date.comparison(text, scope.zone))
    if len(parts) == 1:
        return compared(comparison(text))
    # The ends of an entry are points of their own: the first part is `l`, the second `h`.
    ends = [
        _renamed(compared(comparison(text))[0][1], end)
        for (_, text), end in zip(parts, "lh", strict=True)
    ]
    return [("", {"$and": ends})]


def _renamed(condition: Filter, end: str) -> Filter:
    """Return the condition on a point, whose `l` and `h` are the same, on one end of an entry."""
    if "$or" in condition:
        return {"$or": [_renamed(part, end) for part in condition["$or"]]}
    return {end: {name: bound for limits in condition.values() for name, bound in limits.items()}}


def _asked(part: Parameter, text: str, scope: Scope) -> list[Code]:
    """Return the codes that a value of a part stands for; none if it cannot be there."""
    if part.kind == "reference":
        return [Code(form) for form in reference.asked(part, "", text, scope)]
    if part.kind == "uri":
        return [Code(plain(unescape(text)))]
    parts = [plain(unescape(one)) for one in split(text, "|")]
    if len(parts) > 2 or not any(parts):
        raise BadValue(f"`{text[:200]}` is not `code`, `system|code`, `|code` or `system|`.")
    found = [code for path in part.paths for code in _form(path, parts)]
    return list(dict.fromkeys(found))


def _form(path: Path, parts: list[str]) -> list[Code]:
    if len(parts) == 1:
        return [Code(parts[0])]
    system, code = parts
    if path.datatype in PAIRS:
        return [Code(code or None, (f"{system}|{code}",))]
    # A code without a system of its own has the one that its binding implies.
    return [Code(code)] if code and system in {"", plain(path.system)} else []


COMPOSITE = SearchType("composite", index, match)
