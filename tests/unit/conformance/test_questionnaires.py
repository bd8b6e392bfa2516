"""A QuestionnaireResponse is judged by its Questionnaire.

https://hl7.org/fhir/R4/questionnaireresponse.html
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.conformance.profiling import ROOT, Json, remarks, value_set, whole

SYSTEM = "http://example.org/colours"


def questionnaire(*items: Json) -> Json:
    listed = [{"linkId": str(number), **item} for number, item in enumerate(items, 1)]
    url = f"{ROOT}form"
    return {"resourceType": "Questionnaire", "url": url, "status": "active", "item": listed}


def response(*items: Json, status: str = "completed", **members: Any) -> Json:
    return {
        "resourceType": "QuestionnaireResponse",
        "status": status,
        "questionnaire": f"{ROOT}form",
        "item": list(items),
    } | members


def answered(link: str, *values: Json) -> Json:
    return {"linkId": link, "answer": list(values)}


def told(form: Json, given: Json, *others: Json) -> list[tuple[str, str]]:
    return remarks(whole(given, form, *others), "error")


@pytest.mark.parametrize(
    ("type", "value", "fine"),
    [
        ("boolean", {"valueBoolean": True}, True),
        ("boolean", {"valueString": "yes"}, False),
        ("text", {"valueString": "x"}, True),
        ("url", {"valueUri": "http://x.y"}, True),
        ("integer", {"valueDecimal": 1}, False),
        ("quantity", {"valueQuantity": {"value": 1}}, True),
        ("open-choice", {"valueString": "other"}, True),
        ("choice", {"valueString": "other"}, False),
    ],
)
def test_an_answer_has_the_type_of_its_question(type: str, value: Json, fine: bool) -> None:
    found = told(questionnaire({"type": type}), response(answered("1", value)))

    assert found == (
        [] if fine else [("structure", "QuestionnaireResponse.item[0].answer[0].value")]
    )


def test_an_item_is_one_of_the_questionnaire() -> None:
    given = response(answered("9", {"valueBoolean": True}))

    assert told(questionnaire({"type": "boolean"}), given) == [
        ("structure", "QuestionnaireResponse.item[0].linkId")
    ]


def test_items_are_in_their_order() -> None:
    form = questionnaire({"type": "boolean"}, {"type": "boolean"})
    given = [answered(link, {"valueBoolean": True}) for link in ("2", "1")]

    assert told(form, response(*given)) == [("structure", "QuestionnaireResponse.item[1].linkId")]


@pytest.mark.parametrize(("status", "asked"), [("completed", True), ("in-progress", False)])
def test_what_is_required_is_answered_when_all_is_done(status: str, asked: bool) -> None:
    form = questionnaire({"type": "boolean", "required": True}, {"type": "string"})
    given = response(answered("2", {"valueString": "x"}), status=status)

    assert told(form, given) == ([("required", "QuestionnaireResponse.item")] if asked else [])


def test_only_what_repeats_has_several_answers() -> None:
    two = response(answered("1", {"valueString": "x"}, {"valueString": "y"}))

    assert told(questionnaire({"type": "string"}), two) == [
        ("structure", "QuestionnaireResponse.item[0].answer")
    ]
    assert told(questionnaire({"type": "string", "repeats": True}), two) == []


def test_only_a_group_that_repeats_is_there_twice() -> None:
    inner = {"linkId": "1.1", "type": "string"}
    group = {"linkId": "1", "item": [answered("1.1", {"valueString": "x"})]}

    once = questionnaire({"type": "group", "item": [inner]})
    often = questionnaire({"type": "group", "item": [inner], "repeats": True})

    assert told(once, response(group, group)) == [("structure", "QuestionnaireResponse.item")]
    assert told(often, response(group, group)) == []


def test_a_group_has_no_answer() -> None:
    given = response(answered("1", {"valueString": "x"}))

    assert told(questionnaire({"type": "group"}), given) == [
        ("structure", "QuestionnaireResponse.item[0].answer")
    ]


def test_questions_below_a_question_are_answered_below_its_answer() -> None:
    inner = {"linkId": "1.1", "type": "integer"}
    form = questionnaire({"type": "string", "item": [inner]})
    below = {"valueString": "x", "item": [answered("1.1", {"valueString": "y"})]}

    assert told(form, response(answered("1", below))) == [
        ("structure", "QuestionnaireResponse.item[0].answer[0].item[0].answer[0].value")
    ]


COLOURS = [{"valueCoding": {"system": SYSTEM, "code": code}} for code in ("red", "blue")]


def test_a_choice_is_one_of_what_is_offered() -> None:
    form = questionnaire({"type": "choice", "answerOption": COLOURS})
    green = {"valueCoding": {"system": SYSTEM, "code": "green"}}

    assert told(form, response(answered("1", COLOURS[1]))) == []
    assert told(form, response(answered("1", green))) == [
        ("code-invalid", "QuestionnaireResponse.item[0].answer[0].value")
    ]


def test_a_choice_among_numbers() -> None:
    form = questionnaire({"type": "choice", "answerOption": [{"valueInteger": 1}]})

    assert told(form, response(answered("1", {"valueInteger": 1}))) == []
    assert told(form, response(answered("1", {"valueInteger": 2}))) != []


def test_a_choice_is_from_the_value_set() -> None:
    codes = value_set("codes", {"system": SYSTEM, "concept": [{"code": "red"}]})
    form = questionnaire({"type": "choice", "answerValueSet": codes["url"]})

    assert told(form, response(answered("1", COLOURS[0])), codes) == []
    assert told(form, response(answered("1", COLOURS[1])), codes) == [
        ("code-invalid", "QuestionnaireResponse.item[0].answer[0].value")
    ]


def when(operator: str, **answer: Any) -> Json:
    return {"question": "1", "operator": operator} | answer


@pytest.mark.parametrize(
    ("conditions", "enabled"),
    [
        ([when("=", answerInteger=5)], True),
        ([when("!=", answerInteger=5)], False),
        ([when(">", answerInteger=4)], True),
        ([when("<=", answerInteger=4)], False),
        ([when("exists", answerBoolean=True)], True),
        ([when("exists", answerBoolean=False)], False),
        ([when("=", answerInteger=5), when("=", answerInteger=6)], False),
    ],
)
def test_what_is_not_enabled_is_neither_required_nor_answered(
    conditions: list[Json], enabled: bool
) -> None:
    form = questionnaire(
        {"type": "integer"},
        {"type": "boolean", "required": True, "enableWhen": conditions, "enableBehavior": "all"},
    )
    number = answered("1", {"valueInteger": 5})

    without = told(form, response(number))
    with_it = told(form, response(number, answered("2", {"valueBoolean": True})))

    assert without == ([("required", "QuestionnaireResponse.item")] if enabled else [])
    assert with_it == ([] if enabled else [("structure", "QuestionnaireResponse.item[1].answer")])


def test_a_contained_questionnaire_is_in_sight_and_an_unknown_one_is_told() -> None:
    inner = questionnaire({"type": "boolean"}) | {"id": "q"}
    given = response(answered("1", {"valueString": "x"}))

    contained = whole(given | {"questionnaire": "#q", "contained": [inner]})
    unknown = whole(given)

    assert len(remarks(contained, "error")) == 1
    assert remarks(unknown, "error") == []
    assert ("informational", "QuestionnaireResponse.questionnaire") in remarks(
        unknown, "information"
    )
