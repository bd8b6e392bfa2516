"""The value of a FHIRPath Patch operation: from parts of Parameters to FHIR JSON.

https://hl7.org/fhir/R4/fhirpatch.html
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from fhir_server import tables
from fhir_server.fhirpath.kinds import kind
from fhir_server.interactions.patching.place import Misfit

if TYPE_CHECKING:
    from fhir_server.fhirpath.kinds import Kind, Member

_SHAPES: Final = {"Boolean": (bool,), "Integer": (int,), "Decimal": (int, Decimal)}


@dataclass(frozen=True, slots=True)
class Content:
    """What to write: the JSON name, the value, and the `_name` sibling of a primitive."""

    form: str
    value: Any
    extra: Any = None


def content(member: Member, part: Mapping[str, Any], form: str = "") -> Content:
    """Return what a part says for an element; `form` is the one form of a choice that is wanted.

    Raises:
        Misfit: it says nothing, or something that the element cannot hold; as a sentence.
    """
    if isinstance(part.get("resource"), dict):
        if member.kind.name != "Resource":
            raise Misfit(f"`{member.name}` is a {member.kind.name} and holds no resource.")
        return Content(member.name, deepcopy(part["resource"]))
    if isinstance(part.get("part"), list):
        return Content(*_built(member, part["part"], form))
    given = sorted({key.removeprefix("_") for key in part if key.lstrip("_").startswith("value")})
    if len(given) != 1:
        said = " and ".join(f"`{name}`" for name in given) or "nothing"
        raise Misfit(f"One value is needed, as `value[x]`, `part` or `resource`; {said} is given.")
    return _typed(member, part, given[0], form)


def _typed(member: Member, part: Mapping[str, Any], name: str, form: str) -> Content:
    suffix = name.removeprefix("value")
    wanted = member.name
    target = member.kind
    if member.forms:
        wanted = member.name + suffix
        if wanted not in member.forms or (form and wanted != form):
            raise Misfit(f"`{name}` is none of the types of `{member.name}[x]`: {_types(member)}.")
        target = member.forms[wanted][1]
    value, extra = deepcopy(part.get(name)), deepcopy(part.get(f"_{name}"))
    if not _fits(target, suffix, value, extra):
        raise Misfit(f"`{wanted}` is of type `{target.name}`, and `{name}` is given.")
    return Content(wanted, value, extra)


def _types(member: Member) -> str:
    names = sorted({type.name for _, type in member.forms.values()})
    return ", ".join(f"`{name}`" for name in names[:12]) + (", …" if len(names) > 12 else "")


def _fits(target: Kind, suffix: str, value: Any, extra: Any) -> bool:
    """Return whether a `valueX` may stand for the type; how a primitive is written is judged later."""
    if target.primitive:
        if value is None:
            return isinstance(extra, dict)
        shape = _SHAPES.get(target.system, (str,))
        return isinstance(value, shape) and (isinstance(value, bool) == (shape == (bool,)))
    given = kind(suffix)
    return isinstance(value, dict) and not given.primitive and _is_alike(given, target)


def _is_alike(given: Kind, target: Kind) -> bool:
    return tables.exists(given.name) and (
        target.name in given.ancestors or given.name in target.ancestors
    )


def _built(member: Member, parts: list[Any], form: str) -> tuple[str, Any]:
    """Return an object made of parts, as an element without a name of its own needs it."""
    target = member.kind
    wanted = member.name
    if member.forms:
        if not form:
            raise Misfit(
                f"`{member.name}[x]` may be of several types; name one, such as "
                f"`{next(iter(member.forms))}`."
            )
        wanted, target = form, member.forms[form][1]
    if target.primitive or target.resource:
        raise Misfit(f"`{wanted}` is of type `{target.name}`, which has no parts.")
    return wanted, built(target, parts)


def built(target: Kind, parts: list[Any]) -> dict[str, Any]:
    """Return an object of a type from parts named like its elements; a name may repeat.

    Raises:
        Misfit: a part has no name, or none of an element, or says what that cannot hold.
    """
    made: dict[str, Any] = {}
    for part in parts:
        name = part.get("name") if isinstance(part, dict) else None
        if not isinstance(name, str):
            raise Misfit("Each `part` of a value is an object with a `name`.")
        member, form = element(target, name)
        found = content(member, part, form)
        _put(made, member, found)
    if not made:
        raise Misfit("A value without parts is empty.")
    return made


def _put(made: dict[str, Any], member: Member, found: Content) -> None:
    if not member.many:
        if any(key in made for key in (found.form, f"_{found.form}", *member.forms)):
            raise Misfit(f"`{member.name}` does not repeat, and is given twice.")
        if found.value is not None:
            made[found.form] = found.value
        if found.extra is not None:
            made[f"_{found.form}"] = found.extra
        return
    values = made.setdefault(found.form, [])
    values.append(found.value)
    extras = made.get(f"_{found.form}")
    if found.extra is not None or extras is not None:
        padded = [*(extras or []), *[None] * (len(values) - 1 - len(extras or [])), found.extra]
        made[f"_{found.form}"] = padded


def element(target: Kind, name: str) -> tuple[Member, str]:
    """Return an element by its name, and its form if that is how it was named: `valueString`.

    Raises:
        Misfit: the type has no such element.
    """
    member = target.members.get(name.removesuffix("[x]"))
    if member is not None:
        return member, ""
    for candidate in target.members.values():
        if name in candidate.forms and not name.startswith("_"):
            return candidate, name
    raise Misfit(f"A `{target.name}` has no element `{name[:60]}`.")
