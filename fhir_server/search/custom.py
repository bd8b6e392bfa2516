"""Search parameters made over REST: a SearchParameter compiled to what indexes and finds by it.

https://hl7.org/fhir/R4/searchparameter.html
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from fhir_server import fhirpath
from fhir_server.search import parameters, walk
from fhir_server.search.kind import Facts, kinds
from fhir_server.search.parameters import COMMON, Parameter, Path, Root
from fhir_server.search.params import composite
from fhir_server.search.tokens import presence
from kernel.errors import FhirError, Invalid

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fhir_server.model import Resource

MATCHED: Final = {
    "token": "Coding",
    "string": "string",
    "reference": "Reference",
    "uri": "uri",
    "date": "dateTime",
    "number": "decimal",
    "quantity": "Quantity",
}
"""The data type as which a search value of each kind is read: the one with the most forms."""
PARTS: Final = {
    "HumanName": ("family", "given", "prefix", "suffix", "text"),
    "Address": ("line", "city", "district", "state", "postalCode", "country", "text"),
}
SYSTEM: Final = {
    "System.String": "string",
    "System.Boolean": "boolean",
    "System.Integer": "integer",
    "System.Decimal": "decimal",
    "System.Date": "date",
    "System.DateTime": "dateTime",
}
"""What an expression computes, as the data type that it is indexed as."""
COMPOSITE: Final = "composite"
JOINED: Final = frozenset({"token", "reference", "uri", "date", "number", "quantity"})
"""Kinds of the components of a composite."""
MOST_JOINED: Final = 4
MEMBERS: Final = "@"
"""Where the components of a composite are, as their paths say it."""
LIVE: Final = frozenset({"active", "draft"})
FORGIVING: Final = fhirpath.Options(forgiving=True)
"""R4's own parameters use `as` on several items."""


@dataclass(frozen=True, slots=True)
class Custom:
    """One parameter of one type; `key` changes with each version of its definition."""

    parameter: Parameter
    expression: fhirpath.Expression
    key: str
    components: tuple[tuple[Parameter, fhirpath.Expression], ...] = ()

    def index(self, node: fhirpath.Node, facts: Facts) -> None:
        """Add what a resource is found by; an expression that does not fit it adds nothing."""
        try:
            found = self.expression.evaluate(node, resolve=fhirpath.stub, options=FORGIVING)
        except FhirError:
            return
        kind = kinds()[self.parameter.kind]
        if found:
            facts.present.append(presence(self.parameter.type, self.key))
        for item in found:
            if self.components:
                # As above: what does not fit is not indexed, and never refuses the resource.
                with suppress(FhirError, AttributeError, TypeError, LookupError):
                    self._together(item, facts)
                continue
            datatype = SYSTEM.get(item.type, item.type)
            for value, type in _parts(fhirpath.plain(item), datatype):
                try:
                    kind.index(self.parameter.type, Path(self.key, "", type))(value, facts)
                except (AttributeError, TypeError, LookupError):
                    continue  # the value has a data type that this kind of parameter cannot read

    def _together(self, node: fhirpath.Node, facts: Facts) -> None:
        """Add what one element has of all components, as `composite` keeps it."""
        element: dict[str, list[Any]] = {}
        coded: list[list[tuple[str, str]]] = []
        measured: list[tuple[str, list[tuple[str, str]]]] = []
        for place, (part, expression) in enumerate(self.components):
            paths: dict[tuple[str, str], None] = {}
            for item in expression.evaluate(node, resolve=fhirpath.stub, options=FORGIVING):
                datatype = SYSTEM.get(item.type, item.type)
                member = f"{place}:{datatype}"
                paths[datatype, member] = None
                element.setdefault(member, []).append(fhirpath.plain(item))
                if part.kind == "token":
                    path = Path(part.paths[0].key, "", datatype)
                    kinds()["token"].index(part.type, path)(element[member][-1], facts)
            if part.kind in composite.MEASURED:
                measured.append((part.kind, list(paths)))
            else:
                coded.append(list(paths))
        start = f"{self.parameter.type}.{self.key}"
        composite.together(start, coded, measured, element, facts)

    def texts(self, resource: Resource) -> Iterator[str]:
        """Yield what a resource is sorted by: codes, references, uris."""
        try:
            found = self.expression.evaluate(
                fhirpath.root(resource), resolve=fhirpath.stub, options=FORGIVING
            )
        except FhirError:
            return
        for item in found:
            yield from walk.texts(fhirpath.plain(item))


def _parts(value: Any, datatype: str) -> Iterator[tuple[Any, str]]:
    if datatype not in PARTS or not isinstance(value, dict):
        if value is not None:
            yield value, datatype
        return
    for name in PARTS[datatype]:
        found = value.get(name)
        for one in found if isinstance(found, list) else (found,):
            if isinstance(one, str):
                yield one, "string"


def add(resource: Resource, customs: Sequence[Custom], facts: Facts) -> None:
    """Add all that the parameters of its type find in a resource."""
    node = fhirpath.root(resource)
    for custom in customs:
        custom.index(node, facts)


def read(definition: Mapping[str, Any], key: str) -> list[Custom]:
    """Return a SearchParameter as one parameter for each of its types; `key` names its version.

    Types that have a parameter of this name in R4 keep theirs. One that is retired has none.

    Raises:
        Invalid: it cannot be searched with; says why.
    """
    if definition.get("status") not in LIVE:
        return []
    code, kind = definition.get("code"), definition.get("type")
    if not isinstance(code, str) or not code or not code[0].isalpha():
        raise Invalid("`code` has to begin with a letter.", "SearchParameter.code")
    if kind not in MATCHED and kind != COMPOSITE:
        names = ", ".join(f"`{name}`" for name in (*MATCHED, COMPOSITE))
        raise Invalid(
            f"`type` is `{kind}`; {names} can be indexed.",
            "SearchParameter.type",
        )
    text = definition.get("expression")
    if not isinstance(text, str) or not text.strip():
        raise Invalid("`expression` is missing: nothing says what to index.", "SearchParameter")
    expression = fhirpath.compile(text)
    types = [
        type for type in _types(definition.get("base") or ()) if code not in parameters.of(type)
    ]
    if kind == COMPOSITE:
        return [_composite(type, definition, code, expression, f"~{key}") for type in types]
    targets = tuple(t for t in definition.get("target") or () if t in parameters.types())
    path = Path(f"~{key}", "", MATCHED[str(kind)])
    return [
        Custom(
            Parameter(
                type, code, str(kind), str(definition.get("url", "")), (path,), targets, many=True
            ),
            expression,
            f"~{key}",
        )
        for type in types
    ]


def _composite(
    type: str,
    definition: Mapping[str, Any],
    code: str,
    expression: fhirpath.Expression,
    key: str,
) -> Custom:
    given = definition.get("component") or ()
    if not 2 <= len(given) <= MOST_JOINED:
        raise Invalid(
            f"A composite has 2 to {MOST_JOINED} components, not {len(given)}.",
            "SearchParameter.component",
        )
    parts = [_component(type, one, f"{key}.{place}") for place, one in enumerate(given)]
    if sum(part.kind in composite.MEASURED for part, _ in parts) > 1:
        raise Invalid(
            "At most one component of a composite is a date, number or quantity.",
            "SearchParameter.component",
        )
    root = Root(tuple(part for part, _ in parts), key, MEMBERS)
    parameter = Parameter(
        type,
        code,
        COMPOSITE,
        str(definition.get("url", "")),
        (Path(key, "", COMPOSITE),),
        many=True,
        composite=(root,),
    )
    return Custom(parameter, expression, key, tuple(parts))


def _component(
    type: str, given: Mapping[str, Any], key: str
) -> tuple[Parameter, fhirpath.Expression]:
    """Return a part as a parameter of its own, and what finds its values in the element."""
    url, place = str(given.get("definition", "")), key.rpartition(".")[2]
    found = next((row for row in parameters.of(type).values() if row.url == url), None)
    if found is None or found.kind not in JOINED:
        kinds = ", ".join(f"`{name}`" for name in sorted(JOINED))
        raise Invalid(
            f"`{url[:200]}` is no search parameter of `{type}` in R4 that is one of {kinds}.",
            f"SearchParameter.component[{place}].definition",
        )
    path = Path(key, f"{MEMBERS}.{place}", MATCHED[found.kind])
    part = Parameter(type, found.name, found.kind, url, (path,), found.targets)
    return part, fhirpath.compile(str(given.get("expression", "")))


def _types(bases: Sequence[str]) -> list[str]:
    if {COMMON, "DomainResource"} & set(bases):
        return sorted(parameters.types())
    return [type for type in bases if type in parameters.types()]
