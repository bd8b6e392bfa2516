"""A part of a resource: `_summary` and `_elements`, cut from the stored bytes.

https://hl7.org/fhir/R4/search.html#summary
https://hl7.org/fhir/R4/search.html#elements

What stays is copied as it was written, so that numbers keep their digits.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from typing import Any, Final

import msgspec

from fhir_server import tables
from fhir_server.interactions import shape as shapes
from fhir_server.interactions.shape import Shape
from kernel.errors import Invalid, Issue

MOST_NAMES: Final = 200
MOST_TOLD: Final = 10
"""So many unknown names are told at once, and so many types are looked through for nearer ones."""

_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ITEMS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_ENCODER: Final = msgspec.json.Encoder()
_SUBSETTED: Final = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "SUBSETTED",
}
_TAG: Final = b'"tag":' + _ENCODER.encode([_SUBSETTED]) + b"}"
_LOCAL: Final = re.compile(rb'"#([A-Za-z0-9.-]{1,64})"')
_WHOLE: Final = frozenset({"", "false", "count"})

Members = dict[str, Any]  # of msgspec.Raw, or of what it was cut to


def subset(body: bytes, type: str, summary: str = "", elements: Sequence[str] = ()) -> bytes:
    """Return the resource with only what is asked for, marked as SUBSETTED.

    `summary` is a value of `_summary`; `elements` are names that `check_elements` let pass. Both
    together leave what each of them leaves. Contained resources stay if what stays refers to
    them. Never raises: what is no resource of R4 stays as it is.
    """
    parts: list[Shape | None] = []
    if summary not in _WHOLE and type in tables.RESOURCE_TYPES:
        parts.append(_shape(type, summary))
    if elements and type in tables.RESOURCE_TYPES:
        chosen = shapes.elements(type, tuple(elements))
        parts += [chosen] if chosen is not None else []
    if not parts:
        return body
    try:
        given: Members = _MEMBERS.decode(body)
        kept = given
        for part in parts:
            kept = _without_text(kept) if part is None else _cut(kept, part)
        if "contained" in given and "contained" not in kept:
            _contain(kept, given["contained"])
        return _ENCODER.encode(_tagged(kept))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return body


def check_elements(
    types: str | Collection[str], names: Sequence[str], *, lenient: bool = False
) -> tuple[str, ...]:
    """Return the names of `_elements` that the types have; no type stands for all of them.

    Raises:
        Invalid: names that none of the types has, unless `lenient`, all of them at once.
    """
    if len(names) > MOST_NAMES:
        raise Invalid(
            f"`_elements` has {len(names)} names; {MOST_NAMES} are allowed.", code="too-costly"
        )
    searched = [types] if isinstance(types, str) else sorted(types)
    among = searched or sorted(tables.RESOURCE_TYPES)
    known = tuple(name for name in names if _exists(among, name))
    if len(known) < len(names) and not lenient:
        unknown = [name for name in names if name not in known]
        told = unknown[:MOST_TOLD]
        issues = [Issue("invalid", _refusal(searched, among, name)) for name in told]
        raise Invalid(issues[0].diagnostics, issues=issues)
    return known


def _exists(types: Sequence[str], name: str) -> bool:
    if name == "resourceType":
        return True
    return any(
        steps and shapes.leads(type, steps)[0] == steps
        for type in types
        if (steps := shapes.path(type, name)) is not None
    )


def _refusal(searched: Sequence[str], types: Sequence[str], name: str) -> str:
    first = name.partition(".")[0]
    if first in tables.RESOURCE_TYPES and first not in types:
        return f"`_elements` names `{name[:80]}`, but `{first}` is not what is searched."
    about = [first] if first in types else types
    who = f"`{about[0]}` has no element" if len(about) == 1 else "No type searched has an element"
    known = about if len(about) <= MOST_TOLD else ()
    near = dict.fromkeys(match for type in known for match in _near(type, name))
    if near:
        matches = " or ".join(f"`{match}`" for match in list(near)[:3])
        return f"{who} `{name[:80]}`. Did you mean {matches}?"
    if len(about) > 1:
        return f"{who} `{name[:80]}`."
    some = ", ".join(f"`{one}`" for one in tables.get(about[0]).elements)
    return f"{who} `{name[:80]}`. It has {some}."


def _near(type: str, name: str) -> list[str]:
    """Return the name with its first wrong step, and all after it, put right."""
    steps = shapes.path(type, name) or ()
    right, inside = shapes.leads(type, steps)
    if len(right) >= len(steps):
        return []
    start = [type, *right] if name.startswith(f"{type}.") else [*right]
    names = {one.removesuffix("[x]") for one in inside}
    wrong = steps[len(right)][:80]
    return [".".join([*start, one]) for one in get_close_matches(wrong, names, 3)]


def _shape(type: str, summary: str) -> Shape | None:
    """Return what a summary leaves; None is all but the narrative."""
    if summary == "data":
        return None
    return shapes.text(type) if summary == "text" else shapes.summary(type)


def _without_text(given: Members) -> Members:
    return {name: value for name, value in given.items() if name != "text"}


def _cut(given: Members, shape: Shape) -> Members:
    """Return the members that stay; an optional one of which nothing stays goes too."""
    kept: Members = {}
    members = shape.members
    for name, value in given.items():
        if name in members:
            inner = members[name]
            left = value if inner is None else _part(value, inner)
            if left is not None:
                kept[name] = left
            elif name in shape.required:
                kept[name] = value
    return kept


def _part(value: Any, shape: Shape) -> Any:
    """Return what stays of an element's value, or None if that is nothing."""
    if isinstance(value, dict):  # cut once already
        return _cut(value, shape) or None
    if isinstance(value, list):
        return [part for item in value if (part := _part(item, shape)) is not None] or None
    match bytes(value).lstrip()[:1]:
        case b"{":
            return _cut(_MEMBERS.decode(value), shape) or None
        case b"[":
            return _part(_ITEMS.decode(value), shape)
        case _:
            return value


def _contain(kept: Members, contained: msgspec.Raw) -> None:
    """Put back the contained resources that what is kept refers to, directly or not."""
    if not bytes(contained).lstrip().startswith(b"["):
        return
    by_id: dict[bytes, list[tuple[int, msgspec.Raw]]] = {}
    for number, item in enumerate(_ITEMS.decode(contained)):
        by_id.setdefault(_id(item), []).append((number, item))
    wanted = _LOCAL.findall(_ENCODER.encode(kept))
    found: dict[int, msgspec.Raw] = {}
    while wanted:
        for number, item in by_id.pop(wanted.pop(), ()):
            found[number] = item
            wanted += _LOCAL.findall(bytes(item))
    if found:
        kept["contained"] = [found[number] for number in sorted(found)]


def _id(item: msgspec.Raw) -> bytes:
    if not bytes(item).lstrip().startswith(b"{"):
        return b""
    id: msgspec.Raw | None = _MEMBERS.decode(item).get("id")
    return bytes(id).strip(b'" ') if id is not None else b""


def _tagged(kept: Members) -> Members:
    """Return the resource with the tag that keeps it from being sent back as a whole one."""
    meta = kept.get("meta")
    if meta is not None:
        kept["meta"] = _tagged_meta(bytes(meta))
        return kept
    front: Members = {name: kept[name] for name in ("resourceType", "id") if name in kept}
    return front | {"meta": msgspec.Raw(b"{" + _TAG)} | kept


def _tagged_meta(meta: bytes) -> Any:
    if b'"tag"' not in meta and b"\\" not in meta:
        start = meta.rstrip()
        if start.endswith(b"}") and len(start) > 2:
            return msgspec.Raw(start[:-1] + b"," + _TAG)
    if not meta.lstrip().startswith(b"{"):
        return msgspec.Raw(meta)
    members: Members = _MEMBERS.decode(meta)
    tags = members.get("tag", msgspec.Raw(b"[]"))
    if bytes(tags).lstrip().startswith(b"["):
        items = _ITEMS.decode(tags)
        if not any(_is_subsetted(bytes(item)) for item in items):
            items.append(msgspec.Raw(_ENCODER.encode(_SUBSETTED)))
        members["tag"] = items
    return members


def _is_subsetted(tag: bytes) -> bool:
    found = msgspec.json.decode(tag)
    return isinstance(found, dict) and {**found, **_SUBSETTED} == found
