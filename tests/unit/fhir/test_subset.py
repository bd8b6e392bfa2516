"""https://hl7.org/fhir/R4/search.html#summary and https://hl7.org/fhir/R4/search.html#elements"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server import jsonio, tables
from fhir_server.interactions.subset import check_elements, subset
from fhir_server.validation import validate
from kernel.errors import Invalid

SYSTEM = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"
SUBSETTED = {"system": SYSTEM, "code": "SUBSETTED"}
META = '"meta":{"versionId":"1","lastUpdated":"2024-01-01T00:00:00.000Z"}'
PATIENT = (
    '{"resourceType":"Patient","id":"1",'
    + META
    + ',"implicitRules":"http://rules","language":"en",'
    '"text":{"status":"generated","div":"<div xmlns=\\"http://www.w3.org/1999/xhtml\\">A</div>"},'
    '"extension":[{"url":"http://e","valueDecimal":1.0}],'
    '"modifierExtension":[{"url":"http://m","valueBoolean":true}],"active":true,'
    '"name":[{"use":"official","family":"Doe","given":["Eve"],'
    '"_given":[{"extension":[{"url":"http://q","valueCode":"BR"}]}]}],'
    '"gender":"female","birthDate":"1974-12-25",'
    '"_birthDate":{"extension":[{"url":"http://t","valueDateTime":"1974-12-25T14:35:45-05:00"}]},'
    '"deceasedBoolean":false,"maritalStatus":{"text":"M"},"contact":[{"name":{"family":"Roe"}}],'
    '"communication":[{"language":{"text":"en"},"preferred":true}],'
    '"link":[{"id":"l","extension":[{"url":"http://x","valueString":"y"}],'
    '"other":{"reference":"Patient/2"},"type":"seealso"}]}'
)
OBSERVATION = (
    '{"resourceType":"Observation","id":"1",' + META + ',"status":"final","code":{"text":"c"},'
    '"valueQuantity":{"value":1.50,"unit":"g","extension":[{"url":"http://a","valueDecimal":2.0}]},'
    '"note":[{"text":"n"}],"component":[{"code":{"text":"d"},'
    '"valueQuantity":{"value":1.0E2},"interpretation":[{"text":"high"}],'
    '"referenceRange":[{"low":{"value":0.10}}]}]}'
)
ALWAYS = {"resourceType", "id", "meta"}


def cut(body: str, summary: str = "", *elements: str) -> dict[str, Any]:
    type = json.loads(body)["resourceType"]
    found: dict[str, Any] = json.loads(subset(body.encode(), type, summary, elements))
    return found


def of(type: str, **members: Any) -> str:
    return json.dumps({"resourceType": type, "id": "1", "meta": {"versionId": "1"}, **members})


def test_a_summary_has_the_elements_that_r4_marks_so() -> None:
    found = cut(PATIENT, "true")

    assert set(found) - ALWAYS == {
        "implicitRules", "modifierExtension", "active", "name", "gender", "birthDate", "_birthDate",
        "deceasedBoolean", "link",
    }  # fmt: skip


def test_a_summary_goes_into_backbone_elements() -> None:
    (component,) = cut(OBSERVATION, "true")["component"]
    (link,) = cut(PATIENT, "true")["link"]

    assert set(component) == {"code", "valueQuantity"}
    assert set(link) == {"other", "type"}


def test_a_summary_goes_into_data_types() -> None:
    found = cut(
        of(
            "DocumentReference",
            status="current",
            content=[{"attachment": {"contentType": "a/b", "data": "aGk=", "_data": {"id": "d"}}}],
        ),
        "true",
    )

    assert found["content"] == [{"attachment": {"contentType": "a/b"}}]


def test_a_choice_is_cut_by_the_type_of_its_value() -> None:
    sampled = {"origin": {"value": 0}, "period": 1, "dimensions": 1, "data": "1 2 3"}
    found = cut(
        of("Observation", status="final", code={"text": "c"}, valueSampledData=sampled), "true"
    )

    assert found["valueSampledData"] == {"origin": {"value": 0}, "period": 1, "dimensions": 1}


def test_elements_that_repeat_themselves_are_cut_at_each_level() -> None:
    item = {"linkId": "1", "text": "t", "item": [{"linkId": "1.1", "text": "t"}]}
    found = cut(
        of("Questionnaire", status="draft", item=[item], title="q"), "", "item.item.linkId", "title"
    )

    assert found["item"] == [{"linkId": "1", "item": [{"linkId": "1.1"}]}]


def test_an_extension_stays_with_the_value_that_it_extends() -> None:
    found = cut(OBSERVATION, "true")

    assert found["valueQuantity"]["extension"] == [{"url": "http://a", "valueDecimal": 2.0}]


def test_text_has_the_narrative_and_what_is_mandatory() -> None:
    narrative = {"status": "empty", "div": "<div xmlns='http://www.w3.org/1999/xhtml'>-</div>"}
    body = of(
        "Observation", text=narrative, status="final", code={"text": "c"}, subject={"display": "s"}
    )

    found = cut(body, "text")

    assert set(found) - ALWAYS == {"text", "status", "code"}


def test_data_has_all_but_the_narrative() -> None:
    found = cut(PATIENT, "data")

    assert set(json.loads(PATIENT)) - set(found) == {"text"}


@pytest.mark.parametrize("summary", ["", "false", "count"])
def test_what_asks_for_no_part_leaves_every_byte(summary: str) -> None:
    body = PATIENT.encode()

    assert subset(body, "Patient", summary) is body


@pytest.mark.parametrize("summary", ["true", "data"])
def test_numbers_keep_their_digits(summary: str) -> None:
    found = subset(OBSERVATION.encode(), "Observation", summary)

    assert b'"value":1.50,' in found
    assert b'"value":1.0E2}' in found


def test_elements_keep_what_is_mandatory_and_what_modifies() -> None:
    assert set(cut(PATIENT, "", "birthDate")) - ALWAYS == {
        "implicitRules", "modifierExtension", "active", "birthDate", "_birthDate",
        "deceasedBoolean", "link",
    }  # fmt: skip
    assert set(cut(OBSERVATION, "", "note")) - ALWAYS == {"status", "code", "note"}


@pytest.mark.parametrize(
    ("names", "stays"),
    [
        (["value"], True),
        (["value[x]"], True),
        (["valueQuantity"], True),
        (["Observation.value"], True),
        (["valueString"], False),
        (["Patient.name", "Observation.note"], False),
    ],
)
def test_a_choice_has_several_names(names: list[str], stays: bool) -> None:
    assert ("valueQuantity" in cut(OBSERVATION, "", *names)) is stays


@pytest.mark.parametrize(
    ("names", "name"),
    [
        (["name.family"], {"use": "official", "family": "Doe"}),
        (["Patient.name.family"], {"use": "official", "family": "Doe"}),
        (["name.given"], json.loads(PATIENT)["name"][0] | {"family": None}),
        (["name.family", "name"], json.loads(PATIENT)["name"][0]),
        (["name", "name.family"], json.loads(PATIENT)["name"][0]),
        (["name.text"], {"use": "official"}),
    ],
)
def test_a_path_cuts_inside_an_element(names: list[str], name: dict[str, Any]) -> None:
    found = cut(PATIENT, "", *names)

    assert found["name"] == [{member: value for member, value in name.items() if value}]


def test_a_mandatory_element_is_never_emptied() -> None:
    found = cut(OBSERVATION, "", "code.coding", "value.unit")

    assert found["code"] == {"text": "c"}
    assert found["valueQuantity"] == {"unit": "g"}


def test_an_optional_element_that_is_emptied_goes() -> None:
    assert "valueQuantity" not in cut(OBSERVATION, "", "value.code")


def test_names_of_other_types_only_leave_all_as_it_is() -> None:
    body = OBSERVATION.encode()

    assert subset(body, "Observation", "", ["Patient.name"]) is body


def test_summary_and_elements_leave_what_both_leave() -> None:
    found = cut(PATIENT, "true", "maritalStatus", "gender")

    assert "gender" in found
    assert "maritalStatus" not in found
    assert "name" not in found


def test_contained_resources_stay_while_they_are_referred_to() -> None:
    body = of(
        "MedicationRequest",
        status="active",
        intent="order",
        subject={"reference": "Patient/1"},
        medicationReference={"reference": "#m"},
        note=[{"authorReference": {"reference": "#n"}, "text": "t"}],
        contained=[
            {"resourceType": "Practitioner", "id": "n"},
            {"resourceType": "Organization", "id": "o", "name": "O"},
            {"resourceType": "Medication", "id": "m", "manufacturer": {"reference": "#o"}},
        ],
    )

    assert [c["id"] for c in cut(body, "true")["contained"]] == ["o", "m"]
    assert [c["id"] for c in cut(body, "text")["contained"]] == ["o", "m"]
    assert [c["id"] for c in cut(body, "data")["contained"]] == ["n", "o", "m"]
    assert [c["id"] for c in cut(body, "", "note")["contained"]] == ["n", "o", "m"]
    assert "contained" not in cut(PATIENT, "true")


@pytest.mark.parametrize(
    ("meta", "tags"),
    [
        (None, [SUBSETTED]),
        ({}, [SUBSETTED]),
        ({"versionId": "1"}, [SUBSETTED]),
        ({"versionId": 'a "tag" \\'}, [SUBSETTED]),
        ({"tag": [{"code": "x"}]}, [{"code": "x"}, SUBSETTED]),
        ({"tag": [SUBSETTED | {"display": "s"}]}, [SUBSETTED | {"display": "s"}]),
        ({"tag": [{"code": "SUBSETTED"}]}, [{"code": "SUBSETTED"}, SUBSETTED]),
    ],
)
def test_the_tag_is_there_exactly_once(meta: Any, tags: list[dict[str, str]]) -> None:
    body = json.dumps({"resourceType": "Basic", "id": "1", **({"meta": meta} if meta else {})})
    once = subset(body.encode(), "Basic", "true")
    twice = subset(once, "Basic", "true")

    assert json.loads(once)["meta"]["tag"] == tags
    assert json.loads(twice) == json.loads(once)


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[1]", b'{"a":', b"\xff", b"[" * 100_000, b'{"a":' * 100_000],
    ids=["nothing", "null", "a list", "cut off", "no UTF-8", "deep", "deeper"],
)
def test_what_is_no_resource_stays_as_it_is(body: bytes) -> None:
    assert subset(body, "Patient", "true", ["name.family"]) == body


def test_a_type_that_r4_does_not_have_stays_as_it_is() -> None:
    assert subset(b'{"a":1}', "Nothing", "true", ["a"]) == b'{"a":1}'


@given(
    members=st.dictionaries(
        st.sampled_from(["name", "link", "meta", "contained", "text", "active", "_active", "zzz"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["family", "tag", "id", "other", "x"]), inner, max_size=3
                )
            ),
            max_leaves=10,
        ),
    ),
    summary=st.sampled_from(["true", "text", "data", ""]),
    names=st.lists(st.sampled_from(["name.family", "link.other.display", "active", "zzz", "."])),
)
def test_odd_resources_raise_nothing(
    members: dict[str, Any], summary: str, names: list[str]
) -> None:
    body = json.dumps({"resourceType": "Patient", "id": "1", **members}).encode()

    found = json.loads(subset(body, "Patient", summary, names))

    assert set(found) <= {*members, "resourceType", "id", "meta"}


@given(st.lists(st.sampled_from(sorted(tables.get("Patient").elements)), min_size=1))
def test_a_part_of_a_valid_resource_is_valid(names: list[str]) -> None:
    found = subset(PATIENT.encode(), "Patient", "", names)

    validate(jsonio.decode(found))


def test_known_names_pass() -> None:
    names = ["name", "Patient.gender", "deceased", "deceased[x]", "name.given", "resourceType"]

    assert check_elements("Patient", names) == tuple(names)


def test_names_that_some_type_has_pass_for_several_types() -> None:
    assert check_elements(("Patient", "Observation"), ["birthDate", "Observation.status"])
    assert check_elements((), ["birthDate", "valueQuantity.unit"])


@pytest.mark.parametrize(
    ("types", "name", "says"),
    [
        ("Patient", "nam", "`Patient` has no element `nam`. Did you mean `name`?"),
        (
            "Patient",
            "name.famly",
            "`Patient` has no element `name.famly`. Did you mean `name.family`?",
        ),
        (
            "Patient",
            "Patient.birthdate",
            "`Patient` has no element `Patient.birthdate`. Did you mean `Patient.birthDate`?",
        ),
        (
            "Patient",
            "Observation.code",
            "`_elements` names `Observation.code`, but `Observation` is not what is searched.",
        ),
        (
            ("Patient", "Person"),
            "genders",
            "No type searched has an element `genders`. Did you mean `gender`?",
        ),
        ((), "genders", "No type searched has an element `genders`."),
        ("Patient", "gender.value", "`Patient` has no element `gender.value`."),
        ("Patient", "Patient", "`Patient` has no element `Patient`."),
        ("Questionnaire", "item." * 20 + "linkId", "`Questionnaire` has no element `item.item."),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(types: Any, name: str, says: str) -> None:
    with pytest.raises(Invalid) as caught:
        check_elements(types, [name])

    assert str(caught.value).startswith(says)


def test_all_unknown_names_are_told_at_once() -> None:
    with pytest.raises(Invalid) as caught:
        check_elements("Patient", ["foo", "name", "bar"])

    assert len(caught.value.issues) == 2


def test_lenient_handling_leaves_unknown_names_out() -> None:
    assert check_elements("Patient", ["foo", "name"], lenient=True) == ("name",)


def test_too_many_names_are_refused() -> None:
    with pytest.raises(Invalid, match="`_elements` has 201 names; 200 are allowed"):
        check_elements("Patient", ["name"] * 201, lenient=True)
