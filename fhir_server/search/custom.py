"""Search parameters made over REST: a SearchParameter compiled to what indexes and finds by it.

https://hl7.org/fhir/R4/searchparameter.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from fhir_server import fhirpath
from fhir_server.search import parameters
from fhir_server.search.kind import Facts, kinds
from fhir_server.search.parameters import COMMON, Parameter, Path
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
LIVE: Final = frozenset({"active", "draft"})
FORGIVING: Final = fhirpath.Options(forgiving=True)
"""R4's own parameters use `as` on several items."""


@dataclass(frozen=True, slots=True)
class Custom:
    """One parameter of one type; `key` changes with each version of its definition."""

    parameter: Parameter
    expression: fhirpath.Expression
    key: str

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
            datatype = SYSTEM.get(item.type, item.type)
            for value, type in _parts(fhirpath.plain(item), datatype):
                try:
                    kind.index(self.parameter.type, Path(self.key, "", type))(value, facts)
                except (AttributeError, TypeError, LookupError):
                    continue  # the value has a data type that this kind of parameter cannot read


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
    if kind not in MATCHED:
        raise Invalid(
            f"`type` is `{kind}`; {', '.join(f'`{name}`' for name in MATCHED)} can be indexed.",
            "SearchParameter.type",
        )
    text = definition.get("expression")
    if not isinstance(text, str) or not text.strip():
        raise Invalid("`expression` is missing: nothing says what to index.", "SearchParameter")
    expression = fhirpath.compile(text)
    targets = tuple(t for t in definition.get("target") or () if t in parameters.types())
    return [
        Custom(
            Parameter(
                type,
                code,
                str(kind),
                str(definition.get("url", "")),
                (Path(f"~{key}", "", MATCHED[str(kind)]),),
                targets,
                many=True,
            ),
            expression,
            f"~{key}",
        )
        for type in _types(definition.get("base") or ())
        if code not in parameters.of(type)
    ]


def _types(bases: Sequence[str]) -> list[str]:
    if {COMMON, "DomainResource"} & set(bases):
        return sorted(parameters.types())
    return [type for type in bases if type in parameters.types()]
