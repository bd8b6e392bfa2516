"""Invariants written by hand: those that are met often, and those that only ask what is there.

https://hl7.org/fhir/R4/conformance-rules.html#constraints

Each predicate takes the JSON object that the invariant is about and trusts its shape. Those in
`HOT` are asked on every write, the others at the level `strict`; the rest of R4's invariants are
evaluated as FHIRPath. A test holds both against each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Final

import msgspec

from fhir_server import tables
from fhir_server.validation.bundles import BUNDLE
from fhir_server.validation.definitions import DEFINITIONS, MOVED
from fhir_server.validation.period import in_order

Json = dict[str, Any]
Holds = Callable[[Json], bool]

ELSEWHERE: Final = frozenset(
    ["ele-1", "dom-2", "dom-3", "dom-4", "dom-5", "ref-1", "txt-1", "txt-2"]
)
"""Invariants that the walkers themselves look after, or that need the whole resource."""

_CODING: Final = msgspec.json.Encoder(order="sorted", decimal_format="number")
_CONDITION_CLINICAL: Final = "http://terminology.hl7.org/CodeSystem/condition-clinical"
_CONDITION_VERIFIED: Final = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
_ALLERGY_VERIFIED: Final = "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification"


HOT: Final = frozenset(["ext-1", "obs-6", "obs-7", "per-1", *(key for _, key in BUNDLE)])
"""Invariants that every write is checked for, at the level `structure` already."""


@cache
def rules(type: str) -> tuple[tuple[tables.Invariant, Holds], ...]:
    """Return the invariants of a type that every write is checked for."""
    found = tables.invariants(type)
    return tuple((rule, HOLDS["", rule.key]) for rule in found if rule.key in HOT)


@cache
def others(path: str) -> tuple[tuple[tables.Invariant, Holds | None], ...]:
    """Return the other invariants of a type or element; without a predicate it is FHIRPath's."""
    return tuple(
        (rule, HOLDS.get((path, rule.key), HOLDS.get(("", rule.key))))
        for rule in (*tables.invariants(path), *_moved(path))
        if rule.key not in HOT and rule.key not in ELSEWHERE
        if path not in MOVED.get(rule.key, ())
    )


def _moved(path: str) -> Iterator[tables.Invariant]:
    """Yield the rules of elements that are judged at their resource, which they ask about."""
    for key, elements in MOVED.items():
        for element in elements:
            if element.rpartition(".")[0] == path:
                yield from (rule for rule in tables.invariants(element) if rule.key == key)


def is_broken(holds: Holds, value: Json) -> bool:
    """Return whether a rule is broken, of an object whose shape may be wrong."""
    try:
        return not holds(value)
    except (TypeError, AttributeError, KeyError, ValueError):
        return False  # what is wrong with the shape is told where it is


def _any(*names: str) -> Holds:
    """One of the elements is there; of a primitive, its extensions are enough."""
    wanted = _spelt(names)
    return lambda value: not wanted.isdisjoint(value)


def _not_both(one: str, other: str) -> Holds:
    first, second = _spelt((one,)), _spelt((other,))
    return lambda value: first.isdisjoint(value) or second.isdisjoint(value)


def _needs(one: str, other: str) -> Holds:
    """The first element is only there together with the second one."""
    first, second = _spelt((one,)), _spelt((other,))
    return lambda value: first.isdisjoint(value) or not second.isdisjoint(value)


def _spelt(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(names) | {f"_{name}" for name in names}


def _choice(type: str, name: str) -> tuple[str, ...]:
    """Return the members of a choice: `valueString` and the others."""
    kinds = tables.get(type).elements[f"{name}[x]"].types
    return tuple(f"{name}{kind[0].upper()}{kind[1:]}" for kind in kinds)


_EXTENSION_VALUE: Final = _spelt(_choice("Extension", "value"))
_PARAMETER_VALUE: Final = _spelt(_choice("Parameters.parameter", "value"))
_OBSERVATION_VALUE: Final = _spelt(_choice("Observation", "value"))
_ABATEMENT: Final = _spelt(_choice("Condition", "abatement"))


def _ext_1(value: Json) -> bool:
    return ("extension" in value) == _EXTENSION_VALUE.isdisjoint(value)


def _obs_6(value: Json) -> bool:
    return "dataAbsentReason" not in value or _OBSERVATION_VALUE.isdisjoint(value)


def _obs_7(value: Json) -> bool:
    if "component" not in value or _OBSERVATION_VALUE.isdisjoint(value):
        return True
    own = {_CODING.encode(coding) for coding in value["code"].get("coding", ())}
    return not any(
        _CODING.encode(coding) in own
        for component in value["component"]
        for coding in component["code"].get("coding", ())
    )


def _rat_1(value: Json) -> bool:
    numerator = "numerator" in value
    return numerator == ("denominator" in value) and (numerator or "extension" in value)


def _has(concept: Json | None, system: str, codes: frozenset[str]) -> bool:
    return concept is not None and any(
        coding.get("system") == system and coding.get("code") in codes
        for coding in concept.get("coding", ())
    )


_OVER: Final = frozenset({"resolved", "remission", "inactive"})
_ERROR: Final = frozenset({"entered-in-error"})


def _con_4(value: Json) -> bool:
    if _ABATEMENT.isdisjoint(value):
        return True
    return _has(value.get("clinicalStatus"), _CONDITION_CLINICAL, _OVER)


def _con_5(value: Json) -> bool:
    wrong = _has(value.get("verificationStatus"), _CONDITION_VERIFIED, _ERROR)
    return not wrong or "clinicalStatus" not in value


def _ait_1(value: Json) -> bool:
    wrong = _has(value.get("verificationStatus"), _ALLERGY_VERIFIED, _ERROR)
    return wrong or "clinicalStatus" in value


def _ait_2(value: Json) -> bool:
    wrong = _has(value.get("verificationStatus"), _ALLERGY_VERIFIED, _ERROR)
    return not wrong or "clinicalStatus" not in value


def _inv_1(value: Json) -> bool:
    """A parameter has exactly one of value, resource and part."""
    given = (not _PARAMETER_VALUE.isdisjoint(value), "resource" in value, "part" in value)
    return sum(given) == 1


def _app_2(value: Json) -> bool:
    return _any("start")(value) == _any("end")(value)


def _app_3(value: Json) -> bool:
    both = _any("start")(value) and _any("end")(value)
    return both or value.get("status") in {"proposed", "cancelled", "waitlist"}


def _app_4(value: Json) -> bool:
    """R4's rule says `no-show`, but the code that it means is `noshow`."""
    return "cancelationReason" not in value or value.get("status") in {"noshow", "cancelled"}


def _not_negative(name: str) -> Holds:
    return lambda value: not value.get(name, 0) < 0


def _tim_9(value: Json) -> bool:
    if "offset" not in value and "_offset" not in value:
        return True
    when = value.get("when", ())
    return bool(when) and not {"C", "CM", "CD", "CV"}.issuperset(when)


def _que_7(value: Json) -> bool:
    """R4's rule asks for FHIRPath's own Boolean, which no answer is; it means FHIR's."""
    return value.get("operator") != "exists" or not {"answerBoolean", "_answerBoolean"}.isdisjoint(
        value
    )


def _only_while(name: str, status: str, wanted: str) -> Holds:
    """Entries have an element only if the list is of one mode."""
    spelt = _spelt((name,))
    return lambda value: (
        value.get(status) == wanted
        or all(spelt.isdisjoint(entry) for entry in value.get("entry", ()))
    )


HOLDS: Final[dict[tuple[str, str], Holds]] = {
    **BUNDLE,
    **DEFINITIONS,
    ("", "ait-1"): _ait_1,
    ("", "ait-2"): _ait_2,
    ("", "app-1"): _any("type", "actor"),
    ("", "app-2"): _app_2,
    ("", "app-3"): _app_3,
    ("", "apr-1"): _any("participantType", "actor"),
    ("", "att-1"): _needs("data", "contentType"),
    ("", "cmp-1"): _any("text", "entry", "section"),
    ("", "cmp-2"): _not_both("emptyReason", "entry"),
    ("", "con-1"): _any("summary", "assessment"),
    ("", "con-2"): _any("code", "detail"),
    ("", "con-4"): _con_4,
    ("", "con-5"): _con_5,
    ("", "cpl-3"): _not_both("detail", "reference"),
    ("", "cpt-2"): _needs("value", "system"),
    ("", "exp-1"): _any("expression", "reference"),
    ("", "ext-1"): _ext_1,
    ("", "imm-1"): _any("documentType", "reference"),
    ("", "ipn-1"): _any("identifier", "name"),
    ("", "lst-1"): _not_both("emptyReason", "entry"),
    ("", "lst-2"): _only_while("deleted", "mode", "changes"),
    ("", "lst-3"): _only_while("date", "mode", "working"),
    ("", "mad-1"): _any("dose", "rateRatio", "rateQuantity"),
    ("", "obs-3"): _any("low", "high", "text"),
    ("", "obs-6"): _obs_6,
    ("", "obs-7"): _obs_7,
    ("", "org-1"): _any("identifier", "name"),
    ("", "pat-1"): _any("name", "telecom", "address", "organization"),
    ("", "per-1"): in_order,
    ("", "ppc-1"): _any("policy", "policyRule"),
    ("", "prr-1"): _needs("orderDetail", "code"),
    ("", "qrs-1"): _not_both("answer", "item"),
    ("", "qty-3"): _needs("code", "system"),
    ("", "que-7"): _que_7,
    ("", "rat-1"): _rat_1,
    ("", "sev-1"): _not_both("name", "query"),
    ("", "tim-1"): _needs("duration", "durationUnit"),
    ("", "tim-10"): _not_both("timeOfDay", "when"),
    ("", "tim-2"): _needs("period", "periodUnit"),
    ("", "tim-4"): _not_negative("duration"),
    ("", "tim-5"): _not_negative("period"),
    ("", "tim-6"): _needs("periodMax", "period"),
    ("", "tim-7"): _needs("durationMax", "duration"),
    ("", "tim-8"): _needs("countMax", "count"),
    ("", "tim-9"): _tim_9,
    ("Parameters.parameter", "inv-1"): _inv_1,
}
"""By type and key; the type only where a key stands for several rules."""
