"""Names of search parameters: with a modifier, along references, and against them.

https://hl7.org/fhir/R4/search.html#chaining and https://hl7.org/fhir/R4/search.html#has

`code:not`, `subject:Patient.name:exact`, `_has:Observation:patient:code`, and each inside another.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from fhir_server.search import contained, parameters
from fhir_server.search.kind import TYPE_MODIFIER, kind_of
from fhir_server.search.nodes import Chain, Criterion, Has, Node
from fhir_server.search.text import is_text, split
from kernel.errors import BadValue, Invalid

if TYPE_CHECKING:
    from fhir_server.search.kind import SearchType
    from fhir_server.search.parameters import Known, Parameter

DEEPEST: Final = 6
"""Most references that one name goes along."""
MOST_VALUES: Final = 1000
HAS: Final = "_has:"
PLACES: Final = {"in", "not-in", "above", "below"}


@dataclass(slots=True)
class Reader:
    """Reads one name and its value; `unknown` is set if a name was not known at its type."""

    known: Known
    unknown: bool = False

    def read(self, type: str, name: str, value: str, depth: int = 0) -> Node:
        """Return the criterion.

        Raises:
            Invalid: a name that the type does not have, or a modifier that does not fit.
            BadValue: an empty value, or one that is not text.
        """
        if depth > DEEPEST:
            raise Invalid(f"A search goes along at most {DEEPEST} references.", code="too-costly")
        if name.startswith(HAS):
            return self._has(type, name, value, depth)
        link, dot, rest = name.partition(".")
        if dot:
            return self._chain(type, link, rest, value, depth)
        bare, _, modifier = name.partition(":")
        parameter, kind = self._parameter(type, bare)
        if not value:
            raise BadValue(f"The search parameter `{name}` has no value.")
        if modifier:
            _check_modifier(parameter, kind, modifier)
        return Criterion(parameter, modifier, _values(name, value))

    def _has(self, type: str, name: str, value: str, depth: int) -> Node:
        parts = name.split(":", 3)
        if len(parts) < 4 or not all(parts):
            raise Invalid(
                f"`{name[:80]}` is not `_has:Type:reference:parameter`,"
                " such as `_has:Observation:patient:code`."
            )
        _, source, link, rest = parts
        if source not in parameters.types():
            self.unknown = True
            raise Invalid(f"`{source[:60]}` in `_has` is no resource type of FHIR R4.")
        parameter = self._reference(source, link)
        if parameter.targets and type not in parameter.targets:
            raise Invalid(f"`{source}.{link}` never refers to a `{type}`.")
        return Has(source, parameter, self.read(source, rest, value, depth + 1))

    def _chain(self, type: str, link: str, rest: str, value: str, depth: int) -> Node:
        bare, _, named = link.partition(":")
        parameter = self._reference(type, bare)
        if named:
            _check_modifier(parameter, _kind(parameter), named)
        elif not parameter.targets:
            raise Invalid(
                f"`{bare}` may refer to any type: name the one you mean, as in"
                f" `{bare}:Patient.{rest[:40]}`."
            )
        targets: list[tuple[str, Node]] = []
        first: Invalid | None = None
        for target in (named,) if named else parameter.targets:
            reader = Reader(self.known)
            try:
                targets.append((target, reader.read(target, rest, value, depth + 1)))
            except Invalid as error:
                if not reader.unknown:
                    raise
                first = first or error
        if not targets:
            self.unknown = True
            raise first or Invalid(f"`{type}.{bare}` leads nowhere.")
        inside = self._inside(type, [target for target, _ in targets], rest, value, depth)
        return Chain(parameter, tuple(targets), bool(named), inside)

    def _inside(
        self, type: str, targets: list[str], rest: str, value: str, depth: int
    ) -> tuple[tuple[str, Node], ...]:
        """Return the criteria of what the resource itself contains, where there can be any.

        https://hl7.org/fhir/R4/search.html#contained: a chain is evaluated inside them too.
        """
        if contained.is_inside(type):
            return ()  # what is contained contains nothing
        found: list[tuple[str, Node]] = []
        for target in map(contained.inside, targets):
            with suppress(Invalid):  # such as a `_has`: nothing refers to it from elsewhere
                found.append((target, Reader(self.known).read(target, rest, value, depth + 1)))
        return tuple(found)

    def _reference(self, type: str, name: str) -> Parameter:
        parameter, kind = self._parameter(type, name)
        if kind.name != "reference":
            raise Invalid(
                f"`{name}` of `{type}` is a {parameter.kind} parameter; only a reference leads on."
            )
        return parameter

    def _parameter(self, type: str, name: str) -> tuple[Parameter, SearchType]:
        parameter = self.known.of(type).get(name)
        if parameter is None:
            self.unknown = True
            raise Invalid(
                f"`{type}` has no search parameter `{name[:80]}`.{self._near(type, name)}"
            )
        if not parameter.ready:
            raise Invalid(
                f"The search parameter `{name}` is new and its index is still being built."
                " Ask again when it is done: `GET /admin/reindex` says how far it is.",
                code="incomplete",
            )
        kind = kind_of(parameter)
        if kind is None:
            self.unknown = True
            raise Invalid(
                f"The search parameter `{name}` of `{type}` cannot be searched with.",
                code="not-supported",
            )
        return parameter, kind

    def _near(self, type: str, name: str) -> str:
        usable = sorted(row.name for row in self.known.of(type).values() if kind_of(row))
        near = get_close_matches(name, [*usable, *CONTROL_NAMES], 3)
        if near:
            return f" Did you mean {' or '.join(f'`{match}`' for match in near)}?"
        return f" It has {', '.join(f'`{match}`' for match in usable)}."


CONTROL_NAMES: Final = (
    "_count",
    "_sort",
    "_total",
    "_summary",
    "_elements",
    "_include",
    "_revinclude",
    "_list",
    "_filter",
    "_text",
    "_content",
)


def _kind(parameter: Parameter) -> SearchType:
    kind = kind_of(parameter)
    if kind is None:
        raise Invalid(f"The search parameter `{parameter.name}` cannot be searched with.")
    return kind


def _check_modifier(parameter: Parameter, kind: SearchType, modifier: str) -> None:
    if modifier in kind.modifiers and modifier != TYPE_MODIFIER:
        return
    if TYPE_MODIFIER in kind.modifiers and modifier in parameters.types():
        if not parameter.targets or modifier in parameter.targets:
            return
        allowed = ", ".join(f"`{target}`" for target in parameter.targets)
        raise Invalid(f"`{parameter.name}` never refers to a `{modifier}`, only to {allowed}.")
    allowed = ", ".join(f"`:{name}`" for name in sorted(kind.modifiers)) or "none"
    why = "needs a terminology service" if modifier in PLACES else "is not supported"
    raise Invalid(
        f"The modifier `:{modifier[:40]}` on `{parameter.name}` {why}; it takes {allowed}.",
        code="not-supported",
    )


def _values(name: str, value: str) -> tuple[str, ...]:
    if not is_text(value):
        raise BadValue(f"The value of `{name}` is not text.")
    values = split(value, ",")
    if len(values) > MOST_VALUES:
        raise Invalid(
            f"`{name}` has {len(values)} values; {MOST_VALUES} are allowed.", code="too-costly"
        )
    if not all(values):
        raise BadValue(f"The search parameter `{name}` has an empty value in its list.")
    return tuple(dict.fromkeys(values))
