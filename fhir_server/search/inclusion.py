"""The values of `_include` and `_revinclude`: which references are to be followed, and which way.

https://hl7.org/fhir/R4/search.html#revinclude
"""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from fhir_server.search import links, parameters
from fhir_server.search.links import ANY
from fhir_server.search.parameters import R4
from kernel.errors import BadValue, Invalid

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fhir_server.search.parameters import Known, Parameter

NAMES: Final = frozenset({"_include", "_revinclude"})
ITERATE: Final = frozenset({"iterate", "recurse"})
"""`recurse` is what STU3 called it."""


@dataclass(frozen=True, slots=True)
class Inclusion:
    """One `_include` or, if `reverse`, `_revinclude`.

    `source` is the type that holds the reference, `parameter` the one that selects it; either is
    `*` for all. `target` is the only type that is to be followed, "" for each that may be there.
    `iterate` follows from what was included too. `known` are the parameters that there are.
    """

    source: str
    parameter: str
    target: str = ""
    iterate: bool = False
    reverse: bool = False
    known: Known = field(default=R4, repr=False, compare=False)

    def selected(self, source: str) -> tuple[Parameter, ...]:
        """Return the parameters of a type that are followed."""
        if self.source not in {ANY, source}:
            return ()
        return links.selected(source, self.parameter, self.known)


def read(name: str, value: str, type: str | None, known: Known = R4) -> Inclusion:
    """Return what one parameter of a search on `type` (None: on all types) asks for.

    Raises:
        Invalid: a modifier other than `iterate`, a type, parameter or target that does not exist
            or fit, or a path that can never start or end at a match.
        BadValue: not `Type:parameter`, `Type:parameter:Target`, `Type:*` or `*`.
    """
    bare, _, modifier = name.partition(":")
    if bare not in NAMES or (modifier and modifier not in ITERATE):
        raise Invalid(
            f"`{name[:80]}` is not supported; `{bare[:40]}` takes the modifier `:iterate`.",
            code="not-supported",
        )
    source, parameter, target = _parts(bare, value)
    _check_types(bare, source, parameter, target)
    if parameter != ANY:
        _check_parameter(bare, source, parameter, target, known)
    inclusion = Inclusion(source, parameter, target, bool(modifier), bare == "_revinclude", known)
    if type is not None and not inclusion.iterate:
        _check_start(inclusion, bare, value, type)
    return inclusion


def _parts(name: str, value: str) -> tuple[str, str, str]:
    if value == ANY:
        return ANY, ANY, ""
    if "," in value:
        raise BadValue(f"`{name}` takes one value, not `{value[:120]}`. Repeat it for each.")
    parts = value.split(":")
    if len(parts) not in {2, 3} or not all(parts):
        raise BadValue(
            f"`{name}` is `{value[:120]}`; `Type:parameter`, `Type:parameter:Target`,"
            " `Type:*` or `*` is expected, such as `Observation:subject:Patient`."
        )
    return parts[0], parts[1], parts[2] if len(parts) == 3 else ""


def _check_types(name: str, source: str, parameter: str, target: str) -> None:
    for type in (source, target):
        if type in {"", *parameters.types()} or (type == source == parameter == ANY):
            continue
        hint = _near(type, parameters.types())
        raise Invalid(f"`{type[:80]}` in `{name}` is not a resource type of R4.{hint}")


def _check_parameter(name: str, source: str, parameter: str, target: str, known: Known) -> None:
    found = known.of(source).get(parameter)
    names = [row.name for row in links.selected(source, ANY, known)]
    if found is None:
        said = f"`{source}` has no search parameter `{parameter[:80]}`."
        raise Invalid(said + (_near(parameter, names) or _all(source, names)))
    if not links.followed(found):
        said = f"`{parameter}` of `{source}` is a {found.kind} parameter without references;"
        raise Invalid(f"{said} `{name}` follows references.{_all(source, names)}")
    if name == "_revinclude" and not found.ready:
        raise Invalid(
            f"`{parameter}` of `{source}` cannot be searched by yet: its index is being built.",
            code="not-supported",
        )
    if target and found.targets and target not in found.targets:
        allowed = ", ".join(f"`{type}`" for type in found.targets)
        raise Invalid(f"`{parameter}` of `{source}` never refers to `{target}`, only to {allowed}.")


def _check_start(inclusion: Inclusion, name: str, value: str, type: str) -> None:
    """Refuse a path that no match is at the start or, in reverse, at the end of."""
    starts: tuple[str, ...]
    if not inclusion.reverse:
        starts = () if inclusion.source == ANY else (inclusion.source,)
        said = "starts at"
    else:
        found = inclusion.selected(inclusion.source)
        ends = () if inclusion.source == ANY else tuple(sorted(links.targets(found)))
        starts = (inclusion.target,) if inclusion.target else ends
        said = "ends at"
    if starts and type not in starts:
        raise Invalid(
            f"`{name}={value}` {said} {', '.join(f'`{one}`' for one in starts)},"
            f" but `{type}` is searched. `{name}:iterate` also follows what others include."
        )


def _near(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, sorted(known), 3)
    return f" Did you mean {' or '.join(f'`{match}`' for match in near)}?" if near else ""


def _all(source: str, names: list[str]) -> str:
    if not names:
        return f" `{source}` has none that can be followed."
    return f" `{source}` has {', '.join(f'`{name}`' for name in names)}."
