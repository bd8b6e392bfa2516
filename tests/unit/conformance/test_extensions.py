"""Extensions are judged by their definitions.

https://hl7.org/fhir/R4/defining-extensions.html
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.conformance.profiling import (
    CORE,
    ROOT,
    Json,
    extension,
    faults,
    profile,
    remarks,
    whole,
)

PATIENT: Json = {"resourceType": "Patient"}
NICK = extension(
    "nick", {"path": "Extension.value[x]", "min": 1, "type": [{"code": "string"}], "maxLength": 5}
)


def nicked(value: Any = "Jo", key: str = "valueString") -> Json:
    return PATIENT | {"extension": [{"url": f"{ROOT}nick", key: value}]}


def told(resource: Json, *definitions: Json) -> list[tuple[str, str]]:
    return remarks(whole(resource, *definitions), "error")


def test_an_extension_as_it_is_defined_is_fine() -> None:
    assert whole(nicked(), NICK) == []


@pytest.mark.parametrize(
    ("resource", "code", "place"),
    [
        (nicked("Johnny"), "value", "Patient.extension[0].value"),
        (nicked(1, "valueInteger"), "structure", "Patient.extension[0].value"),
        (
            PATIENT | {"extension": [{"url": f"{ROOT}nick"}]},
            "required",
            "Patient.extension[0].value",
        ),
    ],
)
def test_what_breaks_its_definition_is_an_error(resource: Json, code: str, place: str) -> None:
    assert (code, place) in told(resource, NICK)


def test_extensions_are_judged_wherever_they_are() -> None:
    everywhere = extension(
        "nick", {"path": "Extension.value[x]", "type": [{"code": "string"}]}, on="Element"
    )
    wrong = {"extension": [{"url": f"{ROOT}nick", "valueInteger": 1}]}
    places = PATIENT | {
        "_birthDate": wrong,
        "name": [wrong | {"_given": [wrong]}],
        "contained": [{"resourceType": "Patient", "contact": [{"name": wrong}]}],
    }

    assert {path for _, path in told(places, everywhere)} == {
        "Patient.birthDate.extension[0].value",
        "Patient.name[0].extension[0].value",
        "Patient.name[0].given[0].extension[0].value",
        "Patient.contained[0].contact[0].name.extension[0].value",
    }


def test_an_extension_stands_where_its_definition_says() -> None:
    name = PATIENT | {"name": [nicked() | {"resourceType": "x"}]}
    del name["name"][0]["resourceType"]

    assert told(name, NICK) == [("structure", "Patient.name[0].extension[0]")]


@pytest.mark.parametrize(
    "on", ["Patient", "Element", "Patient.name", "HumanName", "HumanName.family", "DomainResource"]
)
def test_a_context_is_a_path_or_a_type(on: str) -> None:
    given = extension("nick", on=on)
    inside = {"extension": [{"url": f"{ROOT}nick", "valueString": "x"}]}
    family = PATIENT | {"name": [{"_family": inside}]}
    name = PATIENT | {"name": [inside]}
    whole_patient = PATIENT | inside

    allowed = [not told(resource, given) for resource in (whole_patient, name, family)]

    expected = {
        "Patient": [True, False, False],
        "DomainResource": [True, False, False],
        "Element": [True, True, True],
        "Patient.name": [False, True, False],
        "HumanName": [False, True, False],
        "HumanName.family": [False, False, True],
    }
    assert allowed == expected[on]


def test_a_modifier_is_given_as_one() -> None:
    modifier = extension("not", {"path": "Extension", "isModifier": True})
    one = {"url": f"{ROOT}not", "valueString": "x"}

    assert told(PATIENT | {"modifierExtension": [one]}, modifier) == []
    assert told(PATIENT | {"extension": [one]}, modifier) == [("structure", "Patient.extension[0]")]


def test_an_unknown_extension_is_told_once_and_no_fault() -> None:
    two = [{"url": "http://x.y/z", "valueString": "x"}] * 2

    found = whole(PATIENT | {"extension": two, "_gender": {"extension": two[:1]}, "gender": "male"})

    assert [(f.severity, f.expression) for f in found] == [("information", "Patient.extension[0]")]


def test_an_unknown_modifier_is_a_warning() -> None:
    found = whole(PATIENT | {"modifierExtension": [{"url": "http://x.y/z", "valueCode": "x"}]})

    assert remarks(found, "warning") == [("extension", "Patient.modifierExtension[0]")]


def test_parts_of_an_extension_are_its_slices() -> None:
    parted = extension(
        "parted",
        {"path": "Extension.extension", "slicing": {"discriminator": [{"type": "value", "path": "url"}], "rules": "closed"}},
        {"id": "Extension.extension:a", "path": "Extension.extension", "sliceName": "a", "min": 1},
        {"id": "Extension.extension:a.url", "path": "Extension.extension.url", "fixedUri": "a"},
        {"id": "Extension.extension:a.value[x]", "path": "Extension.extension.value[x]", "min": 1, "type": [{"code": "code"}]},
        {"path": "Extension.value[x]", "max": "0"},
    )  # fmt: skip

    def given(*parts: Json) -> Json:
        return PATIENT | {"extension": [{"url": f"{ROOT}parted", "extension": list(parts)}]}

    assert told(given({"url": "a", "valueCode": "x"}), parted) == []
    assert told(given({"url": "a", "valueString": "x"}), parted) == [
        ("structure", "Patient.extension[0].extension[0].value")
    ]
    assert ("structure", "Patient.extension[0].extension[1]") in told(
        given({"url": "a", "valueCode": "x"}, {"url": "b", "valueCode": "x"}), parted
    )


def test_a_profile_asks_for_an_extension() -> None:
    rule = profile(
        "Patient",
        {
            "path": "Patient.extension",
            "slicing": {"discriminator": [{"type": "value", "path": "url"}]},
        },
        {
            "path": "Patient.extension",
            "sliceName": "nick",
            "min": 1,
            "type": [{"code": "Extension", "profile": [NICK["url"]]}],
        },
    )

    assert faults(PATIENT, rule, NICK) == [("required", "Patient.extension")]
    assert faults(nicked(), rule, NICK) == []
    assert faults(nicked("Johnny"), rule, NICK) == [("value", "Patient.extension[0].value")]


def test_extensions_of_r4_are_known() -> None:
    place = {"url": f"{CORE}patient-birthPlace", "valueString": "Oslo"}

    assert told(PATIENT | {"extension": [place]}) == [
        ("structure", "Patient.extension[0].value"),
    ]
    assert told(PATIENT | {"extension": [{**place, "valueAddress": {"city": "Oslo"}} | {}]}) != []
    address = {"url": place["url"], "valueAddress": {"city": "Oslo"}}
    assert told(PATIENT | {"extension": [address]}) == []
