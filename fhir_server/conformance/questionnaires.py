"""A QuestionnaireResponse against its Questionnaire.

https://hl7.org/fhir/R4/questionnaireresponse.html#notes
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from fhir_server.conformance import enabling
from fhir_server.conformance.answers import check as check_answer
from fhir_server.conformance.findings import quoted
from fhir_server.fhirpath.node import step

if TYPE_CHECKING:
    from fhir_server.conformance.check import Check
    from fhir_server.fhirpath import Node

Item = Mapping[str, Any]

_DONE: Final = frozenset({"completed", "amended"})
"""Only what is done has to have all that is required."""


@dataclass(frozen=True, slots=True)
class Form:
    """What a response is held against; `answers` are its own, by link id."""

    run: Check
    near: str
    complete: bool
    answers: Mapping[str, list[Any]]


def check(run: Check, node: Node) -> None:
    """Judge a response by its Questionnaire, if that is in sight."""
    canonical = node.value.get("questionnaire") if isinstance(node.value, dict) else None
    if not isinstance(canonical, str):
        return
    questionnaire, near = _questionnaire(run, node, canonical)
    if questionnaire is None:
        run.add(
            node,
            "information",
            "informational",
            f"The Questionnaire {quoted(canonical)} is not known here, so the answers were not "
            f"judged by it.",
            member="questionnaire",
        )
        return
    form = Form(run, near, node.value.get("status") in _DONE, enabling.answers(node.value))
    _level(form, node, _items(questionnaire), enabled=True)


def _questionnaire(run: Check, node: Node, canonical: str) -> tuple[Item | None, str]:
    if canonical.startswith("#"):
        contained = node.value.get("contained")
        for inner in contained if isinstance(contained, list) else ():
            if isinstance(inner, dict) and inner.get("id") == canonical[1:]:
                return inner, ""
        return None, ""
    found = run.profiles.definitions.find("Questionnaire", canonical)
    return (None, "") if found is None else (found.load(), found.package)


def _items(holder: Item) -> list[Item]:
    listed = holder.get("item")
    items = listed if isinstance(listed, list) else []
    return [item for item in items if isinstance(item, dict) and isinstance(item.get("type"), str)]


def _level(form: Form, parent: Node, asked: list[Item], *, enabled: bool) -> None:
    """Judge the items of one level: those that are known, in their order, as often as allowed."""
    given: list[Node] = []
    step(parent, "item", given)
    places = {str(item.get("linkId")): place for place, item in enumerate(asked)}
    last = -1
    count: Counter[str] = Counter()
    for node in given:
        form.run.charge()
        link = str(node.value.get("linkId")) if isinstance(node.value, dict) else ""
        place = places.get(link)
        if place is None:
            _say(form, node, "structure", f"{quoted(link)} is no item of the Questionnaire here.")
            continue
        if place < last:
            _say(form, node, "structure", f"{quoted(link)} comes later in the Questionnaire.")
        last = max(last, place)
        count[link] += 1
        _item(form, node, asked[place], enabled=enabled)
    for item in asked:
        _counted(form, parent, item, count[str(item.get("linkId"))], enabled=enabled)


def _say(form: Form, node: Node, code: str, sentence: str, member: str = "linkId") -> None:
    form.run.add(node, "error", code, sentence, member=member)


def _counted(form: Form, parent: Node, item: Item, count: int, *, enabled: bool) -> None:
    link = quoted(item.get("linkId"))
    if count > 1 and not (item["type"] == "group" and item.get("repeats") is True):
        _say(form, parent, "structure", f"{link} is there {count} times, expected once.", "item")
    needed = item.get("required") is True and form.complete and item["type"] != "display"
    if needed and not count and enabled and enabling.is_enabled(item, form.answers):
        _say(form, parent, "required", f"{link} must be answered.", "item")


def _item(form: Form, node: Node, item: Item, *, enabled: bool) -> None:
    enabled = enabled and enabling.is_enabled(item, form.answers)
    answers: list[Node] = []
    step(node, "answer", answers)
    link = quoted(item.get("linkId"))
    if not enabled and answers:
        _say(form, node, "structure", f"{link} is answered, and it is not enabled.", "answer")
    if item["type"] in {"group", "display"}:
        if answers:
            said = f"{link} is a {item['type']}, which has no answer."
            _say(form, node, "structure", said, "answer")
        _level(form, node, _items(item), enabled=enabled)
        return
    if len(answers) > 1 and item.get("repeats") is not True:
        said = f"{link} has {len(answers)} answers, expected one."
        _say(form, node, "structure", said, "answer")
    if not answers and form.complete and enabled and item.get("required") is True:
        _say(form, node, "required", f"{link} must be answered.", "answer")
    for answer in answers:
        check_answer(form.run, answer, item, form.near)
        _level(form, answer, _items(item), enabled=enabled)
