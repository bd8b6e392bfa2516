"""Breaches of rules across elements: references, narratives, and invariants.

https://hl7.org/fhir/R4/conformance-rules.html#constraints
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from fhir_server.validation.members import members
from tests.conformance.spots import Damage, Json, Spot, first, one, put


def wrong_target(value: Json, spot: Spot) -> str | None:
    targets = spot.member.element.targets
    if spot.member.type != "Reference" or not targets or "Basic" in targets:
        return None
    if str(one(value, spot).get("reference", "#")).startswith("#"):
        return None
    one(value, spot)["reference"] = "Basic/1"
    return f"{first(spot)}.reference"


def nowhere(value: Json, spot: Spot) -> str | None:
    """A reference into the resource where nothing is contained."""
    if spot.member.type != "Reference":
        return None
    if str(one(value, spot).get("reference", "#")).startswith("#"):
        return None
    one(value, spot)["reference"] = "#nowhere"
    return f"{first(spot)}.reference"


def unused(value: Json, spot: Spot) -> str | None:
    """A contained resource that nothing refers to."""
    if spot.keys or spot.member.name == "contained":
        return None
    if "contained" not in members(spot.type) or "contained" in value:
        return None
    value["contained"] = [{"resourceType": "Basic", "id": "alone", "code": {"text": "x"}}]
    return f"{spot.above}.contained[0]"


def reversed_period(value: Json, spot: Spot) -> str | None:
    if spot.member.type != "Period":
        return None
    one(value, spot).update(start="2015-02-07", end="2014-02-07")
    return first(spot)


def hollow_extension(value: Json, spot: Spot) -> str | None:
    if spot.member.type != "Extension":
        return None
    return put(value, spot, {"url": one(value, spot)["url"]})


def full_extension(value: Json, spot: Spot) -> str | None:
    if spot.member.type != "Extension" or "extension" in one(value, spot):
        return None
    one(value, spot)["extension"] = [{"url": "http://example.org/x", "valueString": "x"}]
    return first(spot)


def unit_without_system(value: Json, spot: Spot) -> str | None:
    if spot.member.type != "Quantity" or not {"system", "code"} <= set(one(value, spot)):
        return None
    del one(value, spot)["system"]
    return first(spot)


def contact_without_system(value: Json, spot: Spot) -> str | None:
    if spot.member.type != "ContactPoint" or "value" not in one(value, spot):
        return None
    if one(value, spot).pop("system", None) is None:
        return None
    return first(spot)


def script(value: Json, spot: Spot) -> str | None:
    if spot.member.type != "xhtml":
        return None
    value["div"] = value["div"].replace("</div>", "<script>alert(1)</script></div>")
    return spot.path


def event_handler(value: Json, spot: Spot) -> str | None:
    if spot.member.type != "xhtml":
        return None
    value["div"] = value["div"].replace("<div", '<div onclick="x()"', 1)
    return spot.path


def silent_narrative(value: Json, spot: Spot) -> str | None:
    if spot.member.type != "xhtml":
        return None
    value["div"] = '<div xmlns="http://www.w3.org/1999/xhtml"> </div>'
    return spot.path


def broken_rule(value: Json, spot: Spot) -> str | None:
    """An invariant of the type itself; which one follows from the type."""
    if spot.keys and spot.type not in _BREAKS:
        return None
    breaks = _BREAKS.get(spot.type)
    return spot.above if breaks is not None and breaks(value) else None


def _observation(value: Json) -> bool:
    if not any(name.startswith("value") for name in value) or "dataAbsentReason" in value:
        return False
    value["dataAbsentReason"] = {"text": "unknown"}
    return True


def _repeat(value: Json) -> bool:
    return "period" in value and value.pop("periodUnit", None) is not None


def _contact(value: Json) -> bool:
    for name in ("name", "telecom", "address", "organization"):
        value.pop(name, None)
    value.setdefault("gender", "female")
    return True


def _range(value: Json) -> bool:
    for name in ("low", "high", "text"):
        value.pop(name, None)
    value["appliesTo"] = [{"text": "all"}]
    return True


def _condition(value: Json) -> bool:
    if any(name.startswith("abatement") for name in value):
        return False
    status = {"system": f"{_TERMINOLOGY}/condition-clinical", "code": "active"}
    value["clinicalStatus"] = {"coding": [status]}
    value["abatementString"] = "gone"
    return True


def _bundle(value: Json) -> bool:
    if value["type"] in {"searchset", "history"} or "total" in value:
        return False
    value["total"] = 1
    return True


def _item(value: Json) -> bool:
    if value.get("type") != "display":
        return False
    value["required"] = True
    return True


def _section(value: Json) -> bool:
    if not value.get("entry"):
        return False
    value["emptyReason"] = {"text": "none"}
    return True


def _organization(value: Json) -> bool:
    value.pop("identifier", None)
    value.pop("name", None)
    return True


def _list(value: Json) -> bool:
    if "entry" not in value or "emptyReason" in value:
        return False
    value["emptyReason"] = {"text": "none"}
    return True


def _include(value: Json) -> bool:
    if not {"system", "concept"} <= set(value) or "valueSet" in value:
        return False
    value["filter"] = [{"property": "concept", "op": "is-a", "value": "x"}]
    return True


_TERMINOLOGY: Final = "http://terminology.hl7.org/CodeSystem"
_BREAKS: Final[dict[str, Callable[[Json], bool]]] = {
    "Bundle": _bundle,
    "Composition.section": _section,
    "Condition": _condition,
    "List": _list,
    "Observation": _observation,
    "Observation.referenceRange": _range,
    "Organization": _organization,
    "Patient.contact": _contact,
    "Questionnaire.item": _item,
    "Timing.repeat": _repeat,
    "ValueSet.compose.include": _include,
}

RULES: Final[tuple[Damage, ...]] = (
    broken_rule,
    contact_without_system,
    event_handler,
    full_extension,
    hollow_extension,
    nowhere,
    reversed_period,
    script,
    silent_narrative,
    unit_without_system,
    unused,
    wrong_target,
)
"""The kinds of breaches."""
