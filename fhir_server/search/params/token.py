"""Token parameters: a code, perhaps with its system.

https://hl7.org/fhir/R4/search.html#token

A coding gives `path=system|code`, `path=code` and `path=system|`, without a system `path=|code`
instead of the first and last. A `code` has one token; the system that its binding implies is
checked when it is asked for.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final

from fhir_server.search.kind import AnyOf, Condition, Facts, Index, NoneOf, Scope, SearchType
from fhir_server.search.text import split, unescape
from fhir_server.search.tokens import plain, token
from kernel.errors import BadValue

if TYPE_CHECKING:
    from fhir_server.search.parameters import Parameter, Path

PAIRS: Final = frozenset({"Coding", "CodeableConcept", "Identifier"})


def index(type: str, path: Path) -> Index:
    prefix = f"{type}.{path.key}="
    if path.datatype == "CodeableConcept":
        return partial(_concept, prefix)
    if path.datatype in PAIRS:
        return partial(pair, prefix, "value" if path.datatype == "Identifier" else "code")
    if path.datatype == "ContactPoint":
        return lambda value, facts: single(prefix, value.get("value"), facts)
    return lambda value, facts: single(prefix, value, facts)


def _concept(prefix: str, value: dict[str, Any], facts: Facts) -> None:
    for coding in value.get("coding") or ():
        facts.tokens += pairs(prefix, coding.get("system"), coding.get("code"))


def pair(prefix: str, member: str, value: dict[str, Any], facts: Facts) -> None:
    """Add the tokens of a system and what `member` holds, either of which may be absent."""
    facts.tokens += pairs(prefix, value.get("system"), value.get(member))


@lru_cache(maxsize=1 << 16)
def pairs(prefix: str, system: str | None, code: str | None) -> tuple[int, ...]:
    found = []
    if system:
        found.append(token(f"{prefix}{plain(system)}|"))
    if code:
        found.append(token(prefix + plain(code)))
        found.append(token(f"{prefix}{plain(system or '')}|{plain(code)}"))
    return tuple(found)


def single(prefix: str, value: Any, facts: Facts) -> None:
    """Add the token of a value that has no system."""
    if isinstance(value, bool):
        value = "true" if value else "false"
    if value:
        facts.tokens.append(token(prefix + plain(value)))


def match(parameter: Parameter, modifier: str, values: tuple[str, ...], _: Scope) -> Condition:
    found = tuple(
        token
        for value in values
        for path in parameter.paths
        for token in asked(parameter.type, path, value)
    )
    unique = tuple(dict.fromkeys(found))
    return NoneOf(unique) if modifier == "not" else AnyOf(unique)


def asked(type: str, path: Path, value: str, suffix: str = "") -> list[int]:
    """Return the tokens that a search value asks for in one element; none if it cannot be there."""
    prefix = f"{type}.{path.key}{suffix}="
    parts = [plain(unescape(part)) for part in split(value, "|")]
    if len(parts) > 2 or not any(parts):
        raise BadValue(f"`{value}` is not `code`, `system|code`, `|code` or `system|`.")
    if path.datatype in PAIRS or suffix:
        return [token(prefix + "|".join(parts))]
    if len(parts) == 1:
        return [token(prefix + parts[0])]
    return _without_system(path, prefix, parts[0], parts[1])


def _without_system(path: Path, prefix: str, system: str, code: str) -> list[int]:
    """A value without a system of its own matches the one that its binding implies."""
    if system and system != plain(path.system):
        return []
    return [token(prefix + code)] if code else []


TOKEN = SearchType("token", index, match, frozenset({"not"}))
