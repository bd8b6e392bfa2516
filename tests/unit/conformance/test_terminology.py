"""Whether a code is in a value set, by its composition.

https://hl7.org/fhir/R4/valueset.html#compositions
"""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.conformance import Terminology
from tests.unit.conformance.profiling import ROOT, Json, sources, value_set

SYSTEM = f"{ROOT}animals"
ANIMALS: Json = {
    "resourceType": "CodeSystem",
    "url": SYSTEM,
    "content": "complete",
    "property": [{"code": "legs", "type": "integer"}],
    "concept": [
        {
            "code": "mammal",
            "display": "Mammal",
            "concept": [
                {
                    "code": "dog",
                    "display": "Dog",
                    "property": [{"code": "legs", "valueInteger": 4}],
                },
                {"code": "whale", "display": "Whale", "concept": [{"code": "orca"}]},
            ],
        },
        {"code": "bird", "property": [{"code": "legs", "valueInteger": 2}]},
    ],
}
CODES = ("mammal", "dog", "whale", "orca", "bird")


def terms(*resources: Json) -> Terminology:
    return Terminology(sources(ANIMALS, *resources), lambda unit: unit == "kg")


def filtered(property: str, op: str, value: str) -> Json:
    return {"system": SYSTEM, "filter": [{"property": property, "op": op, "value": value}]}


def members(*include: Json, **compose: Any) -> list[str]:
    """Return the codes of the animals that a value set has."""
    given = value_set("set", *include)
    given["compose"] |= compose
    known = terms(given)
    return [code for code in CODES if known.member(given["url"], SYSTEM, code)]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (("concept", "is-a", "whale"), ["whale", "orca"]),
        (("concept", "descendent-of", "mammal"), ["dog", "whale", "orca"]),
        (("concept", "is-not-a", "mammal"), ["bird"]),
        (("concept", "generalizes", "orca"), ["mammal", "whale", "orca"]),
        (("concept", "in", "dog, bird"), ["dog", "bird"]),
        (("concept", "not-in", "dog,bird"), ["mammal", "whale", "orca"]),
        (("legs", "=", "4"), ["dog"]),
        (("legs", "exists", "true"), ["dog", "bird"]),
        (("legs", "exists", "false"), ["mammal", "whale", "orca"]),
        (("code", "regex", "[a-m].*"), ["mammal", "dog", "bird"]),
        (("display", "=", "Dog"), ["dog"]),
        (("parent", "=", "whale"), ["orca"]),
        (("child", "exists", "true"), ["mammal", "whale"]),
    ],
)
def test_filters_select_concepts(rule: tuple[str, str, str], expected: list[str]) -> None:
    assert members(filtered(*rule)) == expected


def test_all_filters_of_one_include_must_agree() -> None:
    both = filtered("concept", "is-a", "mammal")
    both["filter"] += filtered("legs", "exists", "true")["filter"]

    assert members(both) == ["dog"]


def test_includes_add_up_and_excludes_take_away() -> None:
    assert members({"system": SYSTEM}) == list(CODES)
    assert members(
        filtered("concept", "is-a", "whale"), {"system": SYSTEM, "concept": [{"code": "bird"}]}
    ) == ["whale", "orca", "bird"]
    assert members({"system": SYSTEM}, exclude=[filtered("concept", "is-a", "mammal")]) == ["bird"]


def test_imported_value_sets_narrow_an_include_down() -> None:
    whales = value_set("whales", filtered("concept", "is-a", "whale"))
    legs = value_set("both", {"system": SYSTEM, "valueSet": [whales["url"]]})
    known = terms(whales, legs)

    found = [code for code in CODES if known.member(legs["url"], SYSTEM, code)]

    assert found == ["whale", "orca"]


def test_value_sets_that_import_each_other_end() -> None:
    one = value_set("one", {"valueSet": [f"{ROOT}two"]})
    two = value_set("two", {"valueSet": [f"{ROOT}one"]})

    assert terms(one, two).member(one["url"], SYSTEM, "dog") is None


def test_without_a_system_any_system_will_do() -> None:
    given = value_set("set", {"system": SYSTEM})

    assert terms(given).member(given["url"], None, "dog") is True
    assert terms(given).member(given["url"], "http://x.y", "dog") is False


def test_what_is_not_held_here_is_not_known() -> None:
    snomed = value_set("sct", {"system": "http://snomed.info/sct"})
    filtered_snomed = value_set(
        "filtered",
        {
            "system": "http://snomed.info/sct",
            "filter": [{"property": "concept", "op": "is-a", "value": "1"}],
        },
    )
    known = terms(snomed, filtered_snomed)

    assert known.member(snomed["url"], "http://snomed.info/sct", "1") is None
    assert known.member(filtered_snomed["url"], "http://snomed.info/sct", "1") is None
    assert known.member(snomed["url"], "http://loinc.org", "1") is False
    assert known.member(f"{ROOT}none", SYSTEM, "dog") is None


def test_a_fragment_says_only_what_is_in_it() -> None:
    part = ANIMALS | {"url": f"{ROOT}part", "content": "fragment"}
    given = value_set("set", {"system": part["url"]})
    known = terms(part, given)

    assert known.member(given["url"], part["url"], "dog") is True
    assert known.member(given["url"], part["url"], "cat") is None


def test_case_matters_unless_the_system_says_that_it_does_not() -> None:
    loud = ANIMALS | {"url": f"{ROOT}loud", "caseSensitive": False}
    given = value_set("set", {"system": SYSTEM}, {"system": loud["url"]})
    known = terms(loud, given)

    assert known.member(given["url"], SYSTEM, "DOG") is False
    assert known.member(given["url"], loud["url"], "DOG") is True


@pytest.mark.parametrize(
    ("system", "code", "expected"),
    [
        ("urn:ietf:bcp:13", "application/fhir+json", True),
        ("urn:ietf:bcp:13", "text/plain; charset=utf-8", True),
        ("urn:ietf:bcp:13", "plain", False),
        ("urn:ietf:bcp:47", "de-CH", True),
        ("urn:ietf:bcp:47", "de CH", False),
        ("http://unitsofmeasure.org", "kg", True),
        ("http://unitsofmeasure.org", "pound", False),
    ],
)
def test_grammars_are_judged_by_their_rules(system: str, code: str, expected: bool) -> None:
    given = value_set("set", {"system": system})

    assert terms(given).member(given["url"], system, code) is expected


def test_an_expansion_serves_where_the_composition_cannot() -> None:
    contains = [{"system": SYSTEM, "code": "x", "contains": [{"system": SYSTEM, "code": "y"}]}]
    given = value_set(
        "set", {"valueSet": [f"{ROOT}none"]}, expansion={"contains": contains, "total": 2}
    )
    cut = given | {"url": f"{ROOT}cut", "expansion": {"contains": contains, "total": 9}}
    known = terms(given, cut)

    assert known.member(given["url"], SYSTEM, "y") is True
    assert known.member(given["url"], SYSTEM, "z") is False
    assert known.member(cut["url"], SYSTEM, "z") is None


def test_a_pattern_of_exponential_cost_takes_no_time() -> None:
    assert members(filtered("code", "regex", "(a+)+" * 50)) == []
    assert members(filtered("code", "regex", "(")) == []


def test_value_sets_of_r4_are_there() -> None:
    gender = "http://hl7.org/fhir/ValueSet/administrative-gender|4.0.1"
    yes_no = "http://terminology.hl7.org/CodeSystem/v2-0136"
    known = terms()

    assert known.member(gender, None, "female") is True
    assert known.member(gender, None, "f") is False
    assert known.exists(yes_no, "Y") is True
    assert known.exists(yes_no, "maybe") is False
    assert known.exists("http://loinc.org", "1-8") is None
