"""https://hl7.org/fhir/R4/search.html#errors"""

from __future__ import annotations

from operator import ge, gt, le, lt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.search import page
from fhir_server.search.chain import MOST_VALUES
from fhir_server.search.kind import Scope, kind_of
from fhir_server.search.nodes import Criterion
from fhir_server.search.order import SORTS, Rank
from fhir_server.search.parameters import of, supported, types
from fhir_server.search.plan import simple
from fhir_server.search.query import MOST_CRITERIA, Query, every_type, parse
from fhir_server.search.text import split, unescape
from fhir_server.search.tokens import token, type_token
from kernel.errors import BadValue, FhirError, Invalid


def ask(*parameters: tuple[str, str], type: str = "Patient", lenient: bool = False) -> Query:
    return parse(type, parameters, lenient=lenient, default_count=20, max_count=100)


def filter_of(query: Query) -> dict[str, Any]:
    return simple(query.type, query.criteria[query.type], Scope())


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

    (criterion,) = query.criteria["Patient"]
    assert isinstance(criterion, Criterion)
    assert (criterion.parameter.name, criterion.values) == ("gender", ("male", "female"))
    controls = query.controls
    assert (controls.count, controls.order.index) == (100, "-u")
    assert (controls.total, controls.summary) == ("accurate", "count")
    assert controls.elements == ("id", "name")
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
    query = ask(("foo:bar", "x"), ("gender", "male"), ("subject.name", "x"), lenient=True)

    assert query.ignored == ("foo:bar", "subject.name")
    assert len(query.criteria["Patient"]) == 1


@pytest.mark.parametrize("lenient", [True, False])
@pytest.mark.parametrize("name", ["gender:in", "gender:below", "name:text", "name:not"])
def test_what_would_widen_the_search_is_refused_even_if_lenient(name: str, lenient: bool) -> None:
    with pytest.raises(Invalid, match=r"not supported|terminology") as refusal:
        ask((name, "x"), lenient=lenient)

    assert refusal.value.issues[0].code == "not-supported"


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
        filter_of(ask(("name", ",".join(map(str, range(MOST_VALUES))))))


@pytest.mark.parametrize(
    ("type", "sort", "index"),
    [
        ("Observation", "-date", "-d"),
        ("Observation", "-date,_id", "-d"),
        ("Observation", "-date,-_id", ""),
        ("Condition", "onset-date", "d"),
        ("Patient", "_id", "_id"),
        ("Patient", "family,-birthdate", ""),
        ("Patient", "", "-d"),
    ],
)
def test_an_order_that_an_index_keeps_is_read_from_it(type: str, sort: str, index: str) -> None:
    assert ask(("_sort", sort), type=type).controls.order.index == index


@pytest.mark.parametrize("sort", ["foo", "-foo", "family,foo", ",".join(["_id"] * 6)])
def test_an_order_by_what_a_type_does_not_have_is_refused(sort: str) -> None:
    with pytest.raises(Invalid, match=r"cannot be sorted by|are allowed"):
        ask(("_sort", sort))


def test_what_has_no_value_comes_last_either_way() -> None:
    up = [Rank((value,), str(value), (False,)) for value in (None, 2, 1)]
    down = [Rank((value,), str(value), (True,)) for value in (None, 1, 2)]

    assert [rank.values[0] for rank in sorted(up)] == [1, 2, None]
    assert [rank.values[0] for rank in sorted(down)] == [2, 1, None]


def test_types_are_named_or_all_are_meant() -> None:
    assert every_type("Patient, Observation,Patient") == ("Patient", "Observation")
    assert len(every_type("")) > 100
    with pytest.raises(Invalid, match="`Person2`"):
        every_type("Person2")


def test_repeated_parameters_all_hold_and_lists_are_alternatives() -> None:
    filter = filter_of(ask(("gender", "male"), ("identifier", "a"), ("active", "true,false")))

    assert filter == {
        "$and": [
            {"k": {"$in": [token("Patient.active=true"), token("Patient.active=false")]}},
            {"k": {"$all": [token("Patient.gender=male"), token("Patient.identifier=a")]}},
        ]
    }


@pytest.mark.parametrize("name", ["_id", "name", "birthdate", "gender:not", "_lastUpdated"])
def test_a_search_without_a_token_asks_for_the_type(name: str) -> None:
    filter = filter_of(ask((name, "2020")))

    parts = filter.get("$and", [filter])
    assert {"k": type_token("Patient")}.items() <= parts[-1].items()


def test_a_search_without_criteria_is_for_the_type() -> None:
    assert filter_of(ask()) == {"k": type_token("Patient")}
    assert ask().controls.order.sort == (("d", -1), ("_id", 1))


@pytest.mark.parametrize("order", ["_lastUpdated", "-_lastUpdated", "_id", "-_id", "-date", "date"])
def test_a_page_starts_after_the_one_before(order: str) -> None:
    rows = [{"_id": f"Observation/{n}", "d": n // 3, "u": n // 2} for n in range(9)]
    query = ask(("_sort", order), type="Observation")
    for field, direction in reversed(query.controls.order.sort):
        rows.sort(key=lambda row: row[field], reverse=direction < 0)

    for position, row in enumerate(rows):
        after = query.controls.order.after(
            [row[field] for field, _ in SORTS[query.controls.order.index]]
        )
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


KEY = b"k" * page.KEY_BYTES


@given(st.dictionaries(st.text(max_size=5), st.lists(st.integers(-(2**50), 2**50) | st.text())))
def test_what_was_sealed_is_unsealed(content: dict[str, Any]) -> None:
    assert page.unseal(KEY, page.seal(KEY, content)) == content


@pytest.mark.parametrize("text", ["", "x", "ü", "A" * 60, "!" * 40])
def test_a_page_that_we_did_not_seal_is_refused(text: str) -> None:
    with pytest.raises(BadValue, match="is not of a link of this server"):
        page.unseal(KEY, text)


def test_a_page_sealed_with_another_key_is_refused() -> None:
    with pytest.raises(BadValue, match="is not of a link of this server"):
        page.unseal(b"o" * page.KEY_BYTES, page.seal(KEY, {"at": 1}))


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
        filter_of(ask((name + modifier, value), type="Observation"))
    except FhirError as error:
        assert error.status == 400  # noqa: PT017 (either outcome is right)


def test_every_parameter_that_is_declared_can_be_searched_with() -> None:
    for type in types():
        for name, _, url in supported(type):
            assert kind_of(of(type)[name]) is not None
            assert url.startswith("http://hl7.org/fhir/SearchParameter/")
