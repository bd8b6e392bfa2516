"""What is FHIRPath and what is not, and where a fault is.

https://hl7.org/fhirpath/N1/grammar.html
"""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server import fhirpath
from fhir_server.fhirpath.lexer import LONGEST
from fhir_server.fhirpath.parser import HEIGHT, NESTING
from kernel.errors import Invalid
from tests.unit.fhirpath.asking import ask


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("-1 + 2", 1),
        ("2 - 1 - 1", 0),
        ("1 + 2 = 3 and 2 > 1", True),
        ("true or true and false", True),
        ("false implies false or true", True),
        ("1 | 1 is Integer", None),  # `is` binds tighter than `|`
        ("'a' & 'b' = 'ab'", True),
        ("1 in (1 | 2) = true", None),  # `=` binds tighter than `in`
        ("7 div 2 mod 2", 1),
    ],
)
def test_operators_bind_as_the_grammar_says(expression: str, value: object) -> None:
    if value is None:
        assert ask(expression) != [True]
    else:
        assert ask(expression) == [value]


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (r"'it\'s'", "it's"),
        (r"'\u0041\n\t\\\/\"\`'", 'A\n\t\\/"`'),
        (r"'\uD83D\uDE00'", "\N{GRINNING FACE}"),
        ("'' ", ""),
    ],
)
def test_a_string_may_hold_escapes(expression: str, text: str) -> None:
    assert ask(expression) == [text]


def test_comments_and_white_space_say_nothing() -> None:
    assert ask("1 /* one\n * more */ + // two\n 2") == [3]


def test_an_element_may_have_the_name_of_an_operator() -> None:
    patient = {"resourceType": "Patient", "text": {"div": "<div/>", "status": "empty"}}
    value_set = {
        "resourceType": "ValueSet",
        "expansion": {"contains": [{"code": "a"}, {"code": "b"}]},
    }

    assert ask("text.div", patient) == ["<div/>"]
    assert ask("text.`div`", patient) == ["<div/>"]
    assert ask("expansion.contains.code", value_set) == ["a", "b"]


@pytest.mark.parametrize(
    ("expression", "place", "why"),
    [
        ("name.", "character 6", "a name, a value or a function is expected"),
        ("name..given", "character 6", "a name, a value or a function is expected"),
        ("name given", "character 6", "`given` cannot follow here"),
        ("(1 + 2", "character 7", "`)` is expected, not its end"),
        ("name[0", "character 7", "`]` is expected"),
        ("{1}", "character 2", "`}` is expected"),
        ("'open", "character 1", "a quotation mark is never closed"),
        ("1 /* open", "character 3", "a comment is never closed"),
        ("a # b", "character 3", "`#` has no meaning here"),
        (r"'\q'", "character 1", r"`\q` is no escape"),
        (r"'\uD83D'", "character 1", "half of a surrogate pair"),
        ("$that", "character 1", "`$that` is none of"),
        ("@2019-02-30", "character 1", "not in the calendar"),
        ("@T25:00", "character 1", "not in the calendar"),
        ("4294967296", "character 1", "beyond 32 bits"),
        ("a is 5", "character 6", "a type is expected"),
        ("a and", "character 6", "a name, a value or a function is expected, not the end"),
        ("a.where(\n  b =)", "line 2, column 6", "a name, a value or a function is expected"),
        ("", "character 1", "a name, a value or a function is expected, not the end"),
    ],
)
def test_a_fault_is_named_with_its_place(expression: str, place: str, why: str) -> None:
    with pytest.raises(Invalid) as refusal:
        fhirpath.compile(expression)

    assert f"is wrong at {place}: " in str(refusal.value)
    assert why in str(refusal.value)


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("name.given.frist()", "There is no FHIRPath function `frist()` (character 12)."),
        ("where()", "`where()` takes 1 argument, and 0 are given (character 1)."),
        ("first(1)", "`first()` takes 0 arguments, and 1 are given (character 1)."),
        ("iif(true)", "`iif()` takes 2 to 3 arguments, and 1 are given (character 1)."),
        ("is(Patient, Person)", "`is()` takes 1 argument, and 2 are given (character 1)."),
        ("is('Patient')", "`is()`, `as()` and `ofType()` take the name of a type."),
        ("name as Humanname", "There is no type `Humanname` in FHIR R4 or FHIRPath."),
        ("ofType(FHIR.Nothing)", "There is no type `FHIR.Nothing` in FHIR R4 or FHIRPath."),
    ],
)
def test_what_does_not_exist_is_refused_when_it_is_compiled(expression: str, why: str) -> None:
    with pytest.raises(Invalid) as refusal:
        fhirpath.compile(expression)

    assert str(refusal.value) == why


@pytest.mark.parametrize(
    "expression",
    [
        "(" * (NESTING + 1) + "1" + ")" * (NESTING + 1),
        "not(" * 10_000,
        "-" * 5_000 + "1",
        "a" + ".a" * HEIGHT,
        "1" + "+1" * HEIGHT,
        "a[" * 2_000,
        "'" + "x" * LONGEST + "'",
        "iif(true, " * 900 + "1" + ")" * 900,
    ],
)
def test_a_monster_is_refused_quickly(expression: str) -> None:
    with pytest.raises(Invalid, match=r"nested deeper|depend on one another|characters; 10000"):
        fhirpath.compile(expression)


def test_the_deepest_that_is_allowed_runs() -> None:
    assert ask("1" + "+1" * (HEIGHT - 1)) == [HEIGHT]
    assert ask("(" * (NESTING - 1) + "1" + ")" * (NESTING - 1)) == [1]


@given(st.text(alphabet="ab1.()[]{}'`@%$|&+-*/=<>!~ \\\nTZ:,", max_size=40))
def test_any_text_is_compiled_or_refused(text: str) -> None:
    with suppress(Invalid):  # a refusal is an answer; a crash is none
        assert fhirpath.compile(text).text == text
