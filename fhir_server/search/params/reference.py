"""Reference parameters: another resource, by id, by URL or by its identifier.

https://hl7.org/fhir/R4/search.html#reference
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from fhir_server.search import parameters
from fhir_server.search.contained import is_inside
from fhir_server.search.kind import (
    TYPE_MODIFIER,
    AnyOf,
    Condition,
    Facts,
    Index,
    Scope,
    SearchType,
    Where,
)
from fhir_server.search.marked import absent, reading, remember, text_key
from fhir_server.search.params import token as tokens
from fhir_server.search.params import uri
from fhir_server.search.params.date import missing
from fhir_server.search.text import unescape
from fhir_server.search.tokens import token
from kernel import ids
from kernel.errors import BadValue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_server.search.parameters import Parameter, Path

RELATIVE: Final = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})")
IDENTIFIER: Final = ":identifier"


def index(type: str, path: Path) -> Index:
    if path.datatype != "Reference":
        return uri.index(type, path)
    key, prefix = path.key, f"{type}.{path.key}="
    identifier = f"{type}.{path.key}{IDENTIFIER}="
    texts = text_key(type, path.key)
    inner = is_inside(type)  # what is contained does not decide whose its container is

    def add(value: Any, facts: Facts) -> None:
        written = value.get("reference")
        if written and written[0] != "#":  # contained resources are not searched
            target, version, _ = written.partition("/_history/")
            facts.tokens.append(token(prefix + target))
            if version:
                facts.tokens.append(token(prefix + written))
            if target.startswith("Patient/") and not inner:
                facts.references.append((key, target))
        remember(texts, value.get("display"), facts)
        if logical := value.get("identifier"):
            tokens.pair(identifier, "value", logical, facts)

    return add


def match(parameter: Parameter, modifier: str, values: tuple[str, ...], scope: Scope) -> Condition:
    if modifier == "missing":
        if parameter.targets == ("Patient",) and says_whose(parameter):
            # What else the element may refer to is no patient: `p` tells them apart.
            return Where({"p": {"$exists": not missing(values)}})
        return absent(parameter, values)
    if modifier == "text":
        return reading(parameter, values)
    if modifier == "identifier":
        return tokens.either_of(parameter, values, IDENTIFIER)
    wanted = [form for value in values for form in asked(parameter, modifier, value, scope)]
    if wanted and says_whose(parameter) and all(_is_patient(form) for form in wanted):
        patients = [token(form) for form in wanted]
        return Where({"p": patients[0] if len(patients) == 1 else {"$in": patients}})
    return AnyOf(
        tuple(token(f"{parameter.type}.{key}={form}") for key in parameter.keys for form in wanted)
    )


def pointing(parameter: Parameter, keys: Sequence[str]) -> Condition:
    """Return the condition that the parameter refers to one of these `Type/id` keys."""
    if says_whose(parameter) and all(_is_patient(key) for key in keys):
        return Where({"p": {"$in": [token(key) for key in keys]}})
    return AnyOf(
        tuple(token(f"{parameter.type}.{key}={form}") for key in parameter.keys for form in keys)
    )


def _is_patient(form: str) -> bool:
    return form.startswith("Patient/") and RELATIVE.fullmatch(form) is not None


def says_whose(parameter: Parameter) -> bool:
    """Return whether `p` of a document says the same as this parameter about patients."""
    if is_inside(parameter.type):
        return False
    owner = parameters.patient(parameter.type)
    return owner is not None and not owner.many and owner.keys == parameter.keys


def asked(parameter: Parameter, modifier: str, value: str, scope: Scope) -> list[str]:
    """Return the references that a search value stands for, as they may be stored.

    Raises:
        BadValue: a bare id of a parameter with any target, or no reference at all.
    """
    text = unescape(value)
    if scope.base and text.startswith(f"{scope.base}/"):
        local = text.removeprefix(f"{scope.base}/")
        forms = _allowed(parameter, modifier, local)
        return [*forms, text] if forms else []
    if ":" in text or "|" in text or "/" in text:
        return _allowed(parameter, modifier, text)
    if not ids.valid(text):
        raise BadValue(f"`{value}` is not an id, `Type/id` or a URL.")
    targets = (modifier,) if modifier else parameter.targets
    forms = [f"{target}/{text}" for target in targets]
    if any(path.datatype != "Reference" for path in parameter.paths):
        forms.append(text)  # a canonical is compared as written
    if not forms:
        raise BadValue(
            f"`{parameter.name}` may refer to any type, so `{value}` needs one: `Type/{value}`."
        )
    return forms


def _allowed(parameter: Parameter, modifier: str, text: str) -> list[str]:
    """Return the reference, or nothing if it is to a type that is not looked for."""
    relative = RELATIVE.fullmatch(text.partition("/_history/")[0])
    allowed = (modifier,) if modifier else parameter.targets
    return [text] if relative is None or not allowed or relative[1] in allowed else []


REFERENCE = SearchType(
    "reference", index, match, frozenset({"identifier", "missing", "text", TYPE_MODIFIER})
)
