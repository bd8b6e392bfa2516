"""Functions, row by row from the specification.

https://hl7.org/fhirpath/N1/#functions
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import pytest

from fhir_server.fhirpath import Options
from kernel.errors import Invalid
from tests.unit.fhirpath.asking import ask

BUNDLE: Final[dict[str, Any]] = {
    "resourceType": "Bundle",
    "type": "collection",
    "entry": [
        {
            "fullUrl": "http://a.example/fhir/Observation/1",
            "resource": {
                "resourceType": "Observation",
                "id": "1",
                "subject": {"reference": "Patient/2"},
                "performer": [{"reference": "urn:uuid:3"}, {"reference": "Organization/9"}],
            },
        },
        {
            "fullUrl": "http://a.example/fhir/Patient/2",
            "resource": {"resourceType": "Patient", "id": "2", "gender": "female"},
        },
        {"fullUrl": "urn:uuid:3", "resource": {"resourceType": "Practitioner", "id": "3"}},
    ],
}


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("(1 | 2 | 3).where($this > 1)", [2, 3]),
        ("(1 | 2 | 3).select($this * $index)", [0, 2, 6]),
        ("(1 | 2 | 3).aggregate($total + $this, 10)", [16]),
        ("(1 | 2).repeat(iif($this < 5, $this + 2, {}))", [3, 4, 5, 6]),
        ("(1 | 2 | 2).count()", [2]),
        ("1.combine(1).count()", [2]),
        ("(1 | 2 | 3).intersect(2 | 3 | 4)", [2, 3]),
        ("(1 | 2 | 3).exclude(2)", [1, 3]),
        ("(1 | 2 | 3).tail()", [2, 3]),
        ("(1 | 2 | 3)[1]", [2]),
        ("(1 | 2 | 3)[7]", []),
        ("(1 | 2 | 3)[-1]", []),
        ("(1 | 2 | 3).skip(-1).count()", [3]),
        ("(1 | 2 | 3).take(0)", []),
        ("(1 | 2).subsetOf(1 | 2 | 3)", [True]),
        ("{}.subsetOf(1 | 2 | 3)", [True]),
        ("{}.all(false)", [True]),
        ("{}.allTrue()", [True]),
        ("(true | false).anyTrue()", [True]),
        ("(true | false).allFalse()", [False]),
        ("'abc'.indexOf('c')", [2]),
        ("'abcabc'.lastIndexOf('b')", [4]),
        ("'abc'.substring(1, 1)", ["b"]),
        ("'abc'.substring(3)", []),
        ("'a,b'.split(',')", ["a", "b"]),
        ("('a' | 'b').join('-')", ["a-b"]),
        ("'11/30/1972'.replaceMatches('(\\\\d+)/(\\\\d+)/(\\\\d+)', '$2-$1-$3')", ["30-11-1972"]),
        ("'ab'.replaceMatches('(?<x>a)', '${x}${x}')", ["aab"]),
        ("1.5.round()", [Decimal(2)]),
        ("(-1.5).ceiling()", [-1]),
        ("2.power(10)", [1024]),
        ("2.power(-1)", [Decimal("0.5")]),
        ("2.power(40)", []),
        ("10.0.exp().ln()", [Decimal(10)]),
        ("0.1 + 0.2 = 0.3", [True]),
        ("1.10.toString()", ["1.10"]),
        ("'1.0'.toDecimal()", [Decimal("1.0")]),
        ("'yes'.toBoolean()", [True]),
        ("'2015-02-30'.toDate()", []),
        ("'2015-02-04T10:00'.toDate()", ["2015-02-04"]),
        ("'5 mg'.toQuantity()", []),
        ("'5 \\'mg\\''.toQuantity().value", []),
        ("'5 \\'g\\''.toQuantity('mg') = 5000 'mg'", [True]),
        ("37 'Cel' = 310.15 'K'", [True]),
        ("1 'm' + 20 'cm'", [{"value": Decimal("1.20")}]),
        ("1 'm' + 1 's'", []),
        ("1 'm' = 1 's'", [False]),
        ("1 'm' < 1 's'", []),
        ("iif(1 = 1, 'a', 1 / 'b')", ["a"]),
        ("'a'.trace('x', upper())", ["a"]),
        ("(2 | 1 | 3).sort()", [1, 2, 3]),
        ("(2 | 1 | 3).sort(-$this)", [3, 2, 1]),
        ("1.type().name", ["Integer"]),
        ("'x'.encode('base64').decode('base64')", ["x"]),
        ("'not base64!'.decode('base64')", []),
    ],
)
def test_a_function_finds(expression: str, found: list[Any]) -> None:
    answer = ask(expression)

    if found and isinstance(found[0], dict):
        assert answer[0]["value"] == found[0]["value"]
    else:
        assert answer == found
        assert [type(item) for item in answer] == [type(item) for item in found]


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("(1 | 2).single()", "`single()` takes one item, and 2 are there"),
        ("(1 | 2) + 1", "`+` takes one item, and 2 are there"),
        ("(1 | 2).not()", "`not()` takes one item"),
        ("1.startsWith('a')", "`startsWith()` takes a string"),
        ("'a' + 1", "`+` does not go between `System.String` and `System.Integer`."),
        ("'a' < 1", "have no order between them"),
        ("-'a'", "The sign `-` goes before a number"),
        ("'a'.sqrt()", "`sqrt()` takes a number"),
        ("'a'.matches('(?=x)')", "Look-around and back-references are not supported."),
        ("'a'.matches('(')", "cannot be used: missing )"),
        ("'a'.encode('rot13')", "`encode()` knows `base64`, `urlbase64`, `hex`, not `rot13`."),
        ("('a' | 1).allTrue()", "`allTrue()` takes booleans"),
        ("iif('a', 1)", "The criterion of `iif()` is a boolean"),
        ("$index", "`$index` has a value only within a function"),
        ("1.5.round(99)", "`round()` takes 0 to 64 digits"),
        ("@2020-01-01 + 1 'cm'", "`cm` cannot be added to a Date."),
        ("@2020-01-01 + 1 'mo'", "`mo` cannot be added to a Date."),
        ("'x'.memberOf('http://v')", "needs a terminology service"),
        ("conformsTo('http://p')", "the profile `http://p` is not known here"),
        ("(1 | 'a').sort()", "have no order between them"),
    ],
)
def test_what_does_not_fit_is_refused(expression: str, why: str) -> None:
    with pytest.raises(Invalid) as refusal:
        ask(expression)

    assert why in str(refusal.value)


def test_now_is_the_same_throughout_an_evaluation() -> None:
    times = iter([1_000, 99_999_999])
    options = Options(now=lambda: next(times))

    assert ask("now() = now() and today() = @1970-01-01", options=options) == [True]


def test_resolve_looks_in_the_bundle_around_it() -> None:
    observation = "entry[0].resource."

    assert ask(f"{observation}subject.resolve().gender", BUNDLE) == ["female"]
    assert ask(f"{observation}performer[0].resolve() is Practitioner", BUNDLE) == [True]
    assert ask(f"{observation}performer[1].resolve()", BUNDLE) == []


def test_resolve_asks_the_caller_for_the_rest() -> None:
    asked: list[str] = []

    def look(reference: str) -> dict[str, Any]:
        asked.append(reference)
        return {"resourceType": "Organization", "name": "Acme"}

    found = ask("entry.resource.performer.resolve().name", BUNDLE, resolve=look)

    assert found == ["Acme"]
    assert asked == ["Organization/9"]


def test_resolve_finds_what_is_contained_and_the_container() -> None:
    resource = {
        "resourceType": "Observation",
        "status": "final",
        "contained": [
            {"resourceType": "Patient", "id": "p", "managingOrganization": {"reference": "#"}}
        ],
        "subject": {"reference": "#p"},
    }

    assert ask("subject.resolve().id", resource) == ["p"]
    assert ask("subject.resolve().managingOrganization.resolve().status", resource) == ["final"]
    assert ask("subject.where(resolve() is Patient).exists()", resource) == [True]


def test_member_of_and_conforms_to_ask_the_caller() -> None:
    patient = {"resourceType": "Patient", "gender": "male"}

    assert ask(
        "gender.memberOf('v')", patient, member_of=lambda value, url: (value, url) == ("male", "v")
    ) == [True]
    assert ask("conformsTo('p')", patient, conforms_to=lambda _, url: url == "p") == [True]
    assert ask("conformsTo('http://hl7.org/fhir/StructureDefinition/Patient')", patient) == [True]


def test_a_modifier_extension_that_is_not_understood_is_refused() -> None:
    patient = {"resourceType": "Patient", "modifierExtension": [{"url": "u", "valueBoolean": True}]}

    assert ask("checkModifiers('u').exists()", patient) == [True]
    with pytest.raises(Invalid, match="not understood"):
        ask("checkModifiers('v')", patient)


def test_as_with_several_items_is_a_fault_unless_forgiven() -> None:
    patient = {"resourceType": "Patient", "name": [{"text": "a"}, {"text": "b"}]}

    assert ask("name.as(HumanName).text", patient, options=Options(forgiving=True)) == ["a", "b"]
    with pytest.raises(Invalid, match="`as` takes one item, and 2 are there"):
        ask("name.as(HumanName).text", patient)
