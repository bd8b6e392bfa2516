"""Damage to the structure: each function makes one fault at a spot, and says where it is.

https://hl7.org/fhir/R4/json.html
"""

from __future__ import annotations

from typing import Any, Final

from fhir_server import tables
from fhir_server.validation.members import members, required
from tests.conformance.spots import Damage, Json, Spot, first, one, put


def removed(value: Json, spot: Spot) -> str | None:
    if not any(spot.member.name in group.names for group in required(spot.type)):
        return None
    if len(value) == 1 or f"_{spot.member.name}" in value:
        return None
    del value[spot.member.name]
    return spot.path


def unknown_member(value: Json, spot: Spot) -> str | None:
    value["zzz"] = "x"
    return f"{spot.above}.zzz"


def misspelt_member(value: Json, spot: Spot) -> str | None:
    if any(spot.member.name in group.names for group in required(spot.type)):
        return None
    name = f"{spot.member.name}s"
    if name in members(spot.type) or f"_{spot.member.name}" in value:
        return None
    value[name] = value.pop(spot.member.name)
    return f"{spot.above}.{name}"


def null(value: Json, spot: Spot) -> str | None:
    if f"_{spot.member.name}" in value:
        return None
    value[spot.member.name] = None
    return spot.path


def null_entry(value: Json, spot: Spot) -> str | None:
    if not spot.member.many or f"_{spot.member.name}" in value:
        return None
    return put(value, spot, None)


def empty_array(value: Json, spot: Spot) -> str | None:
    if not spot.member.many or f"_{spot.member.name}" in value:
        return None
    value[spot.member.name] = []
    return spot.path


def empty_object(value: Json, spot: Spot) -> str | None:
    return None if spot.member.primitive else put(value, spot, {})


def empty_string(value: Json, spot: Spot) -> str | None:
    return put(value, spot, "") if isinstance(one(value, spot), str) else None


def only_an_id(value: Json, spot: Spot) -> str | None:
    free = not spot.member.primitive and spot.member.type != "Resource"
    if not free or required(spot.member.type) or tables.value_set(spot.member.element.value_set):
        return None
    if tables.invariants(spot.member.type):
        return None  # another rule may be broken as well
    return put(value, spot, {"id": "x"})


def text_for_number(value: Json, spot: Spot) -> str | None:
    if isinstance(one(value, spot), str | dict):
        return None
    return put(value, spot, str(one(value, spot)))


def number_for_text(value: Json, spot: Spot) -> str | None:
    return put(value, spot, 5) if isinstance(one(value, spot), str) else None


def object_for_primitive(value: Json, spot: Spot) -> str | None:
    return put(value, spot, {"value": "x"}) if spot.member.primitive else None


def text_for_object(value: Json, spot: Spot) -> str | None:
    return None if spot.member.primitive else put(value, spot, "x")


def single_for_array(value: Json, spot: Spot) -> str | None:
    if not spot.member.many:
        return None
    value[spot.member.name] = value[spot.member.name][0]
    return spot.path


def array_for_single(value: Json, spot: Spot) -> str | None:
    if spot.member.many:
        return None
    value[spot.member.name] = [value[spot.member.name]]
    return spot.path


def bad_code(value: Json, spot: Spot) -> str | None:
    bound = tables.value_set(spot.member.element.value_set)
    if bound is None or not spot.member.primitive:
        return None
    return put(value, spot, "zzz-no-such-code")


def bad_concept(value: Json, spot: Spot) -> str | None:
    bound = tables.value_set(spot.member.element.value_set)
    if bound is None or spot.member.type != "CodeableConcept":
        return None
    concept = one(value, spot)
    if len(concept.get("coding", ())) != 1 or "code" not in concept["coding"][0]:
        return None
    concept["coding"][0]["code"] = "zzz-no-such-code"
    return first(spot)


def bad_date(value: Json, spot: Spot) -> str | None:
    bad = {"date": "2015-02-30", "dateTime": "2015-13-01", "instant": "2015-02-07"}
    return put(value, spot, bad[spot.member.type]) if spot.member.type in bad else None


def bad_time_of_day(value: Json, spot: Spot) -> str | None:
    bad = {"dateTime": "2015-02-07T25:00:00Z", "time": "24:61:00"}
    return put(value, spot, bad[spot.member.type]) if spot.member.type in bad else None


def no_zone(value: Json, spot: Spot) -> str | None:
    if spot.member.type not in {"dateTime", "instant"}:
        return None
    return put(value, spot, "2015-02-07T13:28:17")


def negative(value: Json, spot: Spot) -> str | None:
    if spot.member.type not in {"unsignedInt", "positiveInt"}:
        return None
    return put(value, spot, -1)


def fraction(value: Json, spot: Spot) -> str | None:
    whole = {"unsignedInt", "positiveInt", "integer"}
    return put(value, spot, 1.5) if spot.member.type in whole else None


def bad_id(value: Json, spot: Spot) -> str | None:
    return put(value, spot, "a b") if spot.member.type == "id" else None


def long_id(value: Json, spot: Spot) -> str | None:
    return put(value, spot, "a" * 65) if spot.member.type == "id" else None


def space_in_uri(value: Json, spot: Spot) -> str | None:
    if spot.member.type not in {"uri", "url", "canonical"} or spot.above.endswith("]"):
        return None
    return put(value, spot, "http://example.org/a b")


def bad_base64(value: Json, spot: Spot) -> str | None:
    return put(value, spot, "!!!!") if spot.member.type == "base64Binary" else None


def bad_boolean(value: Json, spot: Spot) -> str | None:
    return put(value, spot, "yes") if spot.member.type == "boolean" else None


def second_choice(value: Json, spot: Spot) -> str | None:
    kinds = spot.member.element.types
    stem = spot.member.path
    spelt = {f"{stem}{kind[0].upper()}{kind[1:]}": kind for kind in kinds}
    others = [n for n, kind in spelt.items() if n != spot.member.name and kind in _SAMPLES]
    if len(kinds) < 2 or not others:
        return None
    value[others[0]] = _SAMPLES[spelt[others[0]]]
    return spot.path


_SAMPLES: Final[dict[str, Any]] = {
    "boolean": True,
    "CodeableConcept": {"text": "x"},
    "dateTime": "2015-02-07",
    "integer": 1,
    "Period": {"start": "2015-02-07"},
    "string": "x",
    "uri": "http://example.org",
}


STRUCTURE: Final[tuple[Damage, ...]] = (
    array_for_single,
    bad_base64,
    bad_boolean,
    bad_code,
    bad_concept,
    bad_date,
    bad_id,
    bad_time_of_day,
    empty_array,
    empty_object,
    empty_string,
    fraction,
    long_id,
    misspelt_member,
    negative,
    no_zone,
    null,
    null_entry,
    number_for_text,
    object_for_primitive,
    only_an_id,
    removed,
    second_choice,
    single_for_array,
    space_in_uri,
    text_for_number,
    text_for_object,
    unknown_member,
)
"""The kinds of damage to the structure."""
