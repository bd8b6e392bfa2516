"""Token parameters: a code, perhaps with its system.

https://hl7.org/fhir/R4/search.html#token

A coding gives the tokens `path=system|code` and `path=code`, without a system `path=|code` instead
of the first, and the mark `path=system|`. A `code` has one token; the system that its binding
implies is checked when it is asked for.
"""

from __future__ import annotations

from functools import lru_cache, partial
from itertools import product
from typing import TYPE_CHECKING, Any, Final

from fhir_server.search.kind import (
    AnyOf,
    Condition,
    Facts,
    Index,
    NoneOf,
    Scope,
    SearchType,
    Where,
    either,
)
from fhir_server.search.marked import absent, reading, remember, text_key
from fhir_server.search.text import split, unescape
from fhir_server.search.tokens import mark, plain, presence, token
from kernel.errors import BadValue, Invalid

if TYPE_CHECKING:
    from fhir_server.search.parameters import Parameter, Path

OF_TYPE: Final = ":of-type"
PAIRS: Final = frozenset({"Coding", "CodeableConcept", "Identifier"})
BOOLEANS: Final = "http://terminology.hl7.org/CodeSystem/special-values"
"""The system that the specification gives to `true` and `false`."""
CHANNELS: Final = frozenset({"phone", "email"})
"""Systems of contact points that have facts of their own."""


def index(type: str, path: Path) -> Index:
    prefix, texts = f"{type}.{path.key}=", text_key(type, path.key)
    if path.datatype == "CodeableConcept":
        return partial(_concept, prefix, texts)
    if path.datatype == "Identifier":
        return partial(_identifier, prefix, f"{type}.{path.key}{OF_TYPE}=", texts)
    if path.datatype in PAIRS:
        return partial(_coding, prefix, texts)
    if path.datatype == "ContactPoint":
        return lambda value, facts: single(prefix, value.get("value"), facts)
    return lambda value, facts: single(prefix, value, facts)


def _concept(prefix: str, texts: str, value: dict[str, Any], facts: Facts) -> None:
    for coding in value.get("coding") or ():
        _coding(prefix, texts, coding, facts)
    remember(texts, value.get("text"), facts)


def _coding(prefix: str, texts: str, coding: dict[str, Any], facts: Facts) -> None:
    pair(prefix, "code", coding, facts)
    remember(texts, coding.get("display"), facts)


def _identifier(prefix: str, of_type: str, texts: str, value: dict[str, Any], facts: Facts) -> None:
    pair(prefix, "value", value, facts)
    kind = value.get("type")
    if kind:
        remember(texts, kind.get("text"), facts)
        for coding in kind.get("coding") or ():
            remember(texts, coding.get("display"), facts)
            facts.tokens += _typed(of_type, coding, value.get("value"))


def _typed(prefix: str, coding: dict[str, Any], value: Any) -> list[int]:
    """https://hl7.org/fhir/R4/search.html#of-type: all three parts, of one identifier."""
    parts = [coding.get("system"), coding.get("code"), value]
    if not all(isinstance(part, str) and part for part in parts):
        return []
    return [token(prefix + "|".join(plain(part) for part in parts))]


def pair(prefix: str, member: str, value: dict[str, Any], facts: Facts) -> None:
    """Add the tokens of a system and what `member` holds, either of which may be absent."""
    system, code = value.get("system"), value.get(member)
    if system:
        facts.present.append(_any_of(prefix, system))
    if code:
        facts.tokens += _pair(prefix, system or "", code)


@lru_cache(maxsize=1 << 16)
def _pair(prefix: str, system: str, code: str) -> tuple[int, int]:
    return token(prefix + plain(code)), token(f"{prefix}{plain(system)}|{plain(code)}")


@lru_cache(maxsize=1 << 14)
def _any_of(prefix: str, system: str) -> int:
    """Return the mark of any code of a system: nearly every document has it, so no index does."""
    return mark(f"{prefix}{plain(system)}|")


def single(prefix: str, value: Any, facts: Facts) -> None:
    """Add the token of a value that has no system."""
    if isinstance(value, bool):
        value = "true" if value else "false"
    if value:
        facts.tokens.append(token(prefix + plain(value)))


def match(parameter: Parameter, modifier: str, values: tuple[str, ...], _: Scope) -> Condition:
    if modifier == "missing":
        return absent(parameter, values)
    if modifier == "text":
        return reading(parameter, values)
    if modifier == "of-type":
        return AnyOf(tuple(found for value in values for found in _of_type(parameter, value)))
    return either_of(parameter, values, negated=modifier == "not")


def either_of(
    parameter: Parameter, values: tuple[str, ...], suffix: str = "", *, negated: bool = False
) -> Condition:
    """Return the condition that an element has one of the codes, or none of them."""
    tokens: dict[int, None] = {}
    marks: dict[int, None] = {}
    for value, path in product(values, parameter.paths):
        _ask(parameter.type, path, value, suffix, tokens, marks)
    if not marks:
        return NoneOf(tuple(tokens)) if negated else AnyOf(tuple(tokens))
    filters = [{"e": {"$in": list(marks)}}, *([{"k": {"$in": list(tokens)}}] if tokens else [])]
    return Where({"$nor": filters}) if negated else either(filters)


def _of_type(parameter: Parameter, value: str) -> list[int]:
    parts = [plain(unescape(part)) for part in split(value, "|")]
    if len(parts) != 3 or not all(parts):
        raise BadValue(
            f"`{value[:80]}` is not `system|code|value`: the identifier's type and its value."
        )
    keys = [path.key for path in parameter.paths if path.datatype == "Identifier"]
    if not keys:
        raise Invalid(
            f"`:of-type` is for identifiers, and `{parameter.name}` is none.", code="not-supported"
        )
    return [token(f"{parameter.type}.{key}{OF_TYPE}={'|'.join(parts)}") for key in keys]


def _ask(
    type: str,
    path: Path,
    value: str,
    suffix: str,
    tokens: dict[int, None],
    marks: dict[int, None],
) -> None:
    """Add what a search value asks for in one element; nothing if it cannot be there."""
    prefix = f"{type}.{path.key}{suffix}="
    parts = [plain(unescape(part)) for part in split(value, "|")]
    if len(parts) > 2 or not any(parts):
        raise BadValue(f"`{value[:80]}` is not `code`, `system|code`, `|code` or `system|`.")
    system, code = parts if len(parts) == 2 else ("", parts[0])
    if path.datatype in PAIRS or suffix:
        if code:
            tokens[token(prefix + "|".join(parts))] = None
        else:
            marks[mark(f"{prefix}{system}|")] = None
    elif path.datatype == "ContactPoint" and code and system in CHANNELS:
        # `phone|555`: of a parameter that looks at this system alone it is the same without it.
        key = path.key.partition("[")[0]
        if path.key in {key, f"{key}[system={system}]"}:
            tokens[token(f"{type}.{key}[system={system}]={code}")] = None
    elif not system or system == plain(BOOLEANS if path.datatype == "boolean" else path.system):
        # A value without a system of its own matches the one that its binding implies.
        if code:
            tokens[token(prefix + code)] = None
        else:
            marks[presence(type, path.key)] = None


TOKEN = SearchType("token", index, match, frozenset({"not", "text", "missing", "of-type"}))
