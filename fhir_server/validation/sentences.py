"""What validation says: sentences with the value found, what was expected, and the nearest name.

https://hl7.org/fhir/R4/operationoutcome.html
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

from fhir_server import tables
from fhir_server.fhirpath.xhtml import fault
from fhir_server.validation import references

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fhir_server.validation.members import Member

LONGEST: Final = 200
"""Characters of a member's name that are repeated in a place."""

_QUOTED: Final = 60  # characters of a value in a sentence
_LISTED: Final = 12  # codes of a value set in a sentence
_EXPRESSION: Final = 160  # characters of an invariant in a sentence
_COMPARED: Final = 2000  # codes that are looked through for the nearest one
_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def identifier(name: str) -> str:
    """Return a name as FHIRPath spells it: in backticks if it is not a plain one."""
    cut = shown(name)
    return cut if _PLAIN.fullmatch(cut) else f"`{cut}`"


def shown(text: str) -> str:
    """Return the beginning of a text, with escapes for what cannot be printed."""
    cut = text[:_QUOTED]
    if cut.isprintable():
        return cut
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)


def unknown_type(type: Any) -> str:
    """Return the sentence about a `resourceType` that R4 does not have."""
    if type is None:
        return "`resourceType` is missing: every resource says what it is."
    hint = _near(str(type), tables.RESOURCE_TYPES)
    return f"{quoted(type)} is not a resource type of R4.{hint}"


def unknown(name: str, type: str, known: dict[str, Member]) -> str:
    """Return the sentence about a member that the type does not have."""
    return f"`{shown(name)}` is not an element of {type}.{_near(name, known)}"


def not_in(what: str, member: Member, value_set: tables.ValueSet, given: list[str]) -> str:
    """Return the sentence about codes outside a required value set."""
    codes = list(value_set.codes)
    listed = ", ".join(f"`{code}`" for code in codes[:_LISTED])
    more = ", …" if len(codes) > _LISTED else ""
    hint = _near(given[0], codes[:_COMPARED], but=codes[:_LISTED]) if given else ""
    return f"{what} in the value set `{member.element.value_set}`, expected one of {listed}{more}.{hint}"


def wrong_target(reference: str, member: Member) -> str:
    """Return the sentence about a reference to a type that the element does not allow."""
    kind = references.target(reference)
    if kind not in tables.RESOURCE_TYPES:
        return f"{quoted(reference)} points to no resource type of R4.{_near(str(kind), tables.RESOURCE_TYPES)}"
    expected = ", ".join(f"`{target}`" for target in member.element.targets)
    return f"{quoted(reference)} points to a {kind}, expected a reference to {expected}."


def narrative(text: str) -> str:
    """Return the sentence about text that a narrative must not have."""
    said = fault(text)
    return f"{said[:-1]} ({'txt-2' if 'shows nothing' in said else 'txt-1'})."


def sentence(rule: tables.Invariant) -> str:
    """Return what an invariant says, with its key and, unless it is long, its expression."""
    said = " ".join(rule.human.split()).rstrip(".:")
    short = f": `{rule.expression}`" if len(rule.expression) <= _EXPRESSION else ""
    return f"{said}{short} ({rule.key})."


def shape(value: Any) -> str:
    """Return what kind of JSON value this is, as the first words of a sentence."""
    if value is None:
        return "Null"
    if isinstance(value, dict):
        return "An object"
    if isinstance(value, list):
        return "An array"
    return "A string" if isinstance(value, str) else "A number or boolean"


def quoted(value: Any) -> str:
    """Return a value as a sentence shows it: in backticks, and not all of a long one."""
    if isinstance(value, dict | list):
        return shape(value)
    if value is None or isinstance(value, bool):
        return f"`{ {None: 'null', True: 'true', False: 'false'}[value] }`"
    text = str(value)
    return f"`{shown(text)}{'…' if len(text) > _QUOTED else ''}`"


def _near(name: str, known: Iterable[str], but: Iterable[str] = ()) -> str:
    """Return a hint at the nearest name, unless the sentence lists it anyway."""
    cut = name[:_QUOTED]
    folded = {one.lower(): one for one in known}
    near = get_close_matches(cut, folded.values(), 1) or [
        folded[found] for found in get_close_matches(cut.lower(), folded, 1)
    ]
    return f" Did you mean `{near[0]}`?" if near and near[0] not in set(but) else ""
