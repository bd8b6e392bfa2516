"""https://hl7.org/fhir/R4/search.html#errors"""

from __future__ import annotations

from operator import ge, gt, le, lt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.search.kind import kind_of
from fhir_server.search.parameters import of, supported, types
from fhir_server.search.plan import cursor, plan
from fhir_server.search.query import MOST_CRITERIA, MOST_VALUES, Query, parse
from fhir_server.search.text import split, unescape
from fhir_server.search.tokens import token, type_token
from kernel.errors import BadValue, FhirError, Invalid


def ask(*parameters: tuple[str, str], type: str = "Patient", lenient: bool = False) -> Query:
    return parse(type, parameters, lenient=lenient, default_count=20, max_count=100)


def test_a_query_says_what_was_asked() -> None:
    query = ask(
        ("gender", "male,female"),
        ("_count", "500"),
        ("_sort", "-_lastUpdated"),
        ("_total", "accurate"),
        ("_summary", "count"),
        ("_elements", "id,name"),
        ("_format", "json"),
    )

    (criterion,) = query.criteria
    assert (criterion.parameter.name, criterion.values) == ("gender", ("male", "female"))
    assert (query.count, query.sort, query.total, query.summary) == (100, "-u", "accurate", "count")
    assert query.elements == ("id", "name")
    assert query.ignored == ()


def test_an_unknown_parameter_is_refused_with_the_nearest_names() -> None:
    with pytest.raises(Invalid) as refusal:
        ask(("identifer", "x"))

    assert refusal.value.status == 400
    assert str(refusal.value).startswith(
        "`Patient` has no search parameter `identifer`. Did you mean `identifier`"
    )


def test_an_unknown_parameter_without_near_names_is_refused_with_all_names() -> None:
    with pytest.raises(Invalid, match=r"It has `_id`, .*`telecom`"):
        ask(("zzzzzz", "x"))


def test_lenient_handling_leaves_out_and_says_so() -> None:
    query = ask(("foo:bar", "x"), ("gender", "male"), ("_include", "*"), lenient=True)

    assert query.ignored == ("foo", "_include")
    assert len(query.criteria) == 1


@pytest.mark.parametrize(
    ("type", "name"),
    [
        ("Observation", "value-quantity"),
        ("Observation", "code-value-quantity"),
        ("Patient", "phonetic"),
        ("Patient", "_text"),
        ("Patient", "_content"),
        ("Patient", "_filter"),
        ("Patient", "_include"),
        ("Patient", "_revinclude"),
        ("Location", "near"),
        ("RiskAssessment", "probability"),
        ("Bundle", "composition"),
    ],
)
def test_what_is_not_built_is_refused_as_not_supported(type: str, name: str) -> None:
    with pytest.raises(Invalid, match="is not supported yet") as refusal:
        ask((name, "1"), type=type)

    assert refusal.value.issues[0].code == "not-supported"


@pytest.mark.parametrize("lenient", [True, False])
@pytest.mark.parametrize(
    "name", ["general-practitioner.name", "_has:Observation:patient:code", "gender:in", "name:text"]
)
def test_what_would_widen_the_search_is_refused_even_if_lenient(name: str, lenient: bool) -> None:
    with pytest.raises(Invalid, match="not supported"):
        ask((name, "x"), lenient=lenient)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("gender", ""),
        ("gender", "male,"),
        ("gender", "a\x00b"),
        ("gender", "a\udc80b"),
        ("_count", "-1"),
        ("_count", "ten"),
        ("_count", "1" * 10),
        ("_count", "٣"),
        ("_total", "some"),
        ("_summary", "maybe"),
        ("_page", "x"),
        ("_page", "ü"),
        ("_page", ""),
    ],
)
def test_a_value_of_the_wrong_form_is_refused(name: str, value: str) -> None:
    with pytest.raises(BadValue):
        ask((name, value))


def test_a_control_may_be_there_once() -> None:
    with pytest.raises(Invalid, match="`_count` may be there once"):
        ask(("_count", "1"), ("_count", "2"))


def test_a_search_has_bounds() -> None:
    with pytest.raises(Invalid, match="are allowed"):
        ask(*[("gender", "male")] * (MOST_CRITERIA + 1))
    with pytest.raises(Invalid, match="are allowed"):
        ask(("gender", ",".join(map(str, range(MOST_VALUES + 1)))))
    with pytest.raises(Invalid, match="are allowed for strings and dates"):
        plan(ask(("name", ",".join(map(str, range(MOST_VALUES))))))


def test_an_order_without_an_index_is_refused_with_those_that_have_one() -> None:
    with pytest.raises(Invalid, match="can be sorted by one of") as refusal:
        ask(("_sort", "name"))

    assert refusal.value.issues[0].code == "not-supported"
    assert ask(("_sort", "-date"), type="Observation").sort == "-d"
    assert ask(("_sort", "onset-date"), type="Condition").sort == "d"
    assert ask(("_sort", "_id")).sort == "_id"


def test_searching_all_types_is_refused() -> None:
    with pytest.raises(Invalid, match="search one type"):
        parse(None, [], lenient=False, default_count=1, max_count=1)


def test_repeated_parameters_all_hold_and_lists_are_alternatives() -> None:
    filter = plan(ask(("gender", "male"), ("identifier", "a"), ("active", "true,false"))).filter

    assert filter == {
        "$and": [
            {"k": {"$in": [token("Patient.active=true"), token("Patient.active=false")]}},
            {"k": {"$all": [token("Patient.gender=male"), token("Patient.identifier=a")]}},
        ]
    }


@pytest.mark.parametrize("name", ["_id", "name", "birthdate", "gender:not", "_lastUpdated"])
def test_a_search_without_a_token_asks_for_the_type(name: str) -> None:
    filter = plan(ask((name, "2020"))).filter

    parts = filter.get("$and", [filter])
    assert {"k": type_token("Patient")}.items() <= parts[-1].items()


def test_a_search_without_criteria_is_for_the_type() -> None:
    assert plan(ask()).filter == {"k": type_token("Patient")}
    assert plan(ask()).sort == [("d", -1), ("_id", 1)]


@pytest.mark.parametrize("order", ["_lastUpdated", "-_lastUpdated", "_id", "-_id", "-date", "date"])
def test_a_page_starts_after_the_one_before(order: str) -> None:
    rows = [{"_id": f"Observation/{n}", "d": n // 3, "u": n // 2} for n in range(9)]
    query = ask(("_sort", order), type="Observation")
    for field, direction in reversed(plan(query).sort):
        rows.sort(key=lambda row: row[field], reverse=direction < 0)

    for position, row in enumerate(rows):
        text = cursor(query, str(row["_id"]), int(str(row["d"])), int(str(row["u"])))
        again = ask(("_sort", order), ("_page", text), type="Observation")
        after = plan(again).after
        assert after is not None
        assert [found for found in rows if beyond(after, found)] == rows[position + 1 :]


def beyond(after: dict[str, object], row: dict[str, object]) -> bool:
    operators = {"$gt": gt, "$lt": lt, "$gte": ge, "$lte": le}
    for name, wanted in after.items():
        if name == "$or":
            assert isinstance(wanted, list)
            if not any(beyond(part, row) for part in wanted):
                return False
        else:
            assert isinstance(wanted, dict)
            ((operator, bound),) = wanted.items()
            if not operators[operator](row[name], bound):
                return False
    return True


def test_a_page_of_another_search_is_refused() -> None:
    text = cursor(ask(), "Patient/1", 5, 6)

    assert ask(("_page", text)).cursor == (5, "Patient/1")
    with pytest.raises(BadValue, match="of another search"):
        ask(("_page", text), type="Observation")
    with pytest.raises(BadValue, match="of another search"):
        ask(("_page", text), ("_sort", "_id"))
    with pytest.raises(BadValue, match="of another search"):
        ask(("_page", cursor(ask(), "Patient/1", 1 << 63, 0)))


@given(st.lists(st.text(max_size=5), min_size=1, max_size=5))
def test_escaped_parts_are_read_as_they_were(parts: list[str]) -> None:
    escaped = [part.replace("\\", "\\\\").replace(",", "\\,") for part in parts]

    assert [unescape(part) for part in split(",".join(escaped), ",")] == parts


@given(
    name=st.sampled_from(sorted(of("Observation"))),
    modifier=st.sampled_from(["", ":not", ":exact", ":contains", ":missing", ":identifier", ":x"]),
    value=st.text(max_size=30),
)
def test_nothing_but_an_error_for_the_caller_comes_of_any_text(
    name: str, modifier: str, value: str
) -> None:
    try:
        plan(ask((name + modifier, value), type="Observation"))
    except FhirError as error:
        assert error.status == 400  # noqa: PT017 (either outcome is right)


def test_every_parameter_that_is_declared_can_be_searched_with() -> None:
    for type in types():
        for name, kind, url in supported(type):
            assert kind_of(of(type)[name]) is not None
            assert kind in {"token", "string", "date", "reference", "uri"}
            assert url.startswith("http://hl7.org/fhir/SearchParameter/")
