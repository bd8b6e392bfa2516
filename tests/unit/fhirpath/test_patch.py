"""FHIRPath Patch: what each operation does to FHIR JSON, and how it is refused.

https://hl7.org/fhir/R4/fhirpatch.html
"""

from __future__ import annotations

from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.interactions.patching import fhirpath_patch
from kernel.errors import BadStructure, BadValue, FhirError, TooLarge, Unprocessable


def part(name: str, value: Any) -> dict[str, Any]:
    """Return one part; a dict holds its own `value[x]`, `part` or `resource`."""
    if isinstance(value, dict):
        return {"name": name, **value}
    if isinstance(value, int):
        return {"name": name, "valueInteger": value}
    return {"name": name, "valueCode" if name == "type" else "valueString": value}


def operation(type: str, path: str, **parts: Any) -> dict[str, Any]:
    named = {"type": type, "path": path, **parts}
    return {"name": "operation", "part": [part(name, value) for name, value in named.items()]}


def patched(resource: dict[str, Any], *operations: dict[str, Any]) -> dict[str, Any]:
    before = deepcopy(resource)
    patch = {"resourceType": "Parameters", "parameter": list(operations)}
    try:
        return fhirpath_patch.apply(resource, patch)
    finally:
        assert resource == before


def patient(**members: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", **members}


def test_a_choice_is_added_under_the_name_of_its_type() -> None:
    made = patched(
        patient(), operation("add", "Patient", name="deceased", value={"valueBoolean": True})
    )

    assert made == patient(deceasedBoolean=True)


def test_a_choice_is_replaced_by_another_type() -> None:
    before = patient(deceasedBoolean=True, _deceasedBoolean={"id": "d"})

    made = patched(
        before, operation("replace", "Patient.deceased", value={"valueDateTime": "2020"})
    )

    assert made == patient(deceasedDateTime="2020")


def test_an_element_of_a_list_is_replaced_where_it_is() -> None:
    before = patient(name=[{"given": ["a", "b", "c"]}])

    made = patched(
        before, operation("replace", "Patient.name[0].given[1]", value={"valueString": "x"})
    )

    assert made == patient(name=[{"given": ["a", "x", "c"]}])


def test_the_extensions_of_primitives_move_along() -> None:
    extra = {"extension": [{"url": "u", "valueString": "x"}]}
    before = patient(name=[{"given": ["a", None, "c"], "_given": [None, extra, None]}])

    moved = patched(before, operation("move", "Patient.name[0].given", source=1, destination=0))
    cut = patched(before, operation("delete", "Patient.name[0].given[0]"))
    grown = patched(
        before,
        operation("insert", "Patient.name[0].given", index=1, value={"valueString": "b"}),
    )
    emptied = patched(before, operation("delete", "Patient.name[0].given[1]"))

    assert moved["name"][0] == {"given": [None, "a", "c"], "_given": [extra, None, None]}
    assert cut["name"][0] == {"given": [None, "c"], "_given": [extra, None]}
    assert grown["name"][0] == {
        "given": ["a", "b", None, "c"],
        "_given": [None, None, extra, None],
    }
    assert emptied["name"][0] == {"given": ["a", "c"]}


def test_an_extension_is_added_to_a_primitive() -> None:
    value = {"valueExtension": {"url": "u", "valueCode": "c"}}
    extension = [{"url": "u", "valueCode": "c"}]
    before = patient(birthDate="1970", name=[{"given": ["a", "b"]}])

    one = patched(before, operation("add", "Patient.birthDate", name="extension", value=value))
    two = patched(
        before, operation("add", "Patient.name[0].given[1]", name="extension", value=value)
    )

    assert one["_birthDate"] == {"extension": extension}
    assert two["name"][0]["_given"] == [None, {"extension": extension}]


def test_the_last_extension_of_a_primitive_leaves_its_value() -> None:
    before = patient(birthDate="1970", _birthDate={"extension": [{"url": "u"}]})

    made = patched(before, operation("delete", "Patient.birthDate.extension('u')"))

    assert made == patient(birthDate="1970")


def test_what_a_deletion_leaves_empty_goes_too() -> None:
    before = patient(active=True, contact=[{"name": {"text": "a"}}])

    made = patched(before, operation("delete", "Patient.contact[0].name.text"))

    assert made == patient(active=True)


def test_what_is_not_there_is_deleted_already() -> None:
    assert patched(patient(), operation("delete", "Patient.birthDate")) == patient()


def test_a_backbone_element_is_made_of_parts() -> None:
    value = {
        "part": [
            part("relationship", {"valueCodeableConcept": {"text": "mother"}}),
            part("relationship", {"valueCodeableConcept": {"text": "carer"}}),
            part("name", {"part": [part("family", "F"), part("given", "G"), part("given", "H")]}),
            part("gender", {"valueCode": "female"}),
        ]
    }

    made = patched(patient(), operation("add", "Patient", name="contact", value=value))

    assert made["contact"] == [
        {
            "relationship": [{"text": "mother"}, {"text": "carer"}],
            "name": {"family": "F", "given": ["G", "H"]},
            "gender": "female",
        }
    ]


def test_a_choice_within_parts_has_the_type_of_its_value() -> None:
    value = {"part": [part("code", {"valueCodeableConcept": {"text": "c"}}), part("value", 5)]}
    observation = {"resourceType": "Observation", "status": "final"}

    made = patched(observation, operation("add", "Observation", name="component", value=value))

    assert made["component"] == [{"code": {"text": "c"}, "valueInteger": 5}]


def test_a_resource_is_contained() -> None:
    inner = {"resourceType": "Organization", "id": "o"}

    made = patched(
        patient(), operation("add", "Patient", name="contained", value={"resource": inner})
    )

    assert made == patient(contained=[inner])


def test_operations_see_what_the_ones_before_them_did() -> None:
    made = patched(
        patient(),
        operation("add", "Patient", name="name", value={"valueHumanName": {"family": "A"}}),
        operation("add", "Patient.name[0]", name="given", value={"valueString": "x"}),
        operation("replace", "Patient.name.where(family = 'A').family", value="B"),
    )

    assert made == patient(name=[{"family": "B", "given": ["x"]}])


def test_an_empty_list_is_inserted_into_at_its_start() -> None:
    value = {"valueIdentifier": {"value": "1"}}

    made = patched(patient(), operation("insert", "Patient.identifier", index=0, value=value))

    assert made == patient(identifier=[{"value": "1"}])


def test_a_decimal_keeps_its_digits() -> None:
    before = {"resourceType": "Observation", "valueQuantity": {"value": Decimal("1.50")}}

    made = patched(
        before,
        operation("replace", "Observation.value.value", value={"valueDecimal": Decimal("2.00")}),
    )

    assert str(made["valueQuantity"]["value"]) == "2.00"


NAMES = {"valueHumanName": {"text": "x"}}


@pytest.mark.parametrize(
    ("given_operation", "why"),
    [
        (operation("add", "Patient.photo", name="title", value="x"), "No element is there."),
        (operation("add", "Patient.name", name="text", value="x"), "2 elements are there"),
        (operation("add", "Patient", name="gender", value="male"), "`gender` is there already"),
        (operation("add", "Patient", name="gendr", value="x"), "has no element `gendr`"),
        (operation("add", "Patient", name="name", value="x"), "is of type `HumanName`"),
        (operation("add", "Patient", name="active", value="true"), "is of type `boolean`"),
        (
            operation("add", "Patient", name="deceased", value="x"),
            "none of the types of `deceased[x]`",
        ),
        (operation("add", "Patient", name="contact", value={"part": []}), "without parts is empty"),
        (
            operation("add", "Patient", name="contact", value={"part": [part("nme", "x")]}),
            "has no element `nme`",
        ),
        (operation("add", "Patient", name="photo", value={}), "nothing is given"),
        (
            operation("add", "Patient", name="photo", value={"valueString": "x", "valueCode": "y"}),
            "`valueCode` and `valueString` is given",
        ),
        (
            operation("add", "Patient", name="birthDate", value={"resource": patient()}),
            "holds no resource",
        ),
        (operation("insert", "Patient.name", index=3, value=NAMES), "`index` 3 is behind its end"),
        (operation("insert", "Patient.gender", index=0, value="x"), "does not repeat"),
        (
            operation("insert", "Patient.name.where(use = 'usual')", index=0, value=NAMES),
            "whole list",
        ),
        (operation("move", "Patient.name", source=0, destination=2), "there is no `destination` 2"),
        (operation("move", "Patient.photo", source=0, destination=0), "there is no `source` 0"),
        (operation("move", "Patient.nothing", source=0, destination=0), "has no element `nothing`"),
        (operation("delete", "Patient.name"), "2 elements are there"),
        (operation("delete", "Patient"), "the resource itself"),
        (operation("delete", "1 + 1"), "a computed value"),
        (operation("replace", "Patient.birthDate", value="x"), "No element is there."),
        (operation("replace", "Patient.gender & 'x'", value="x"), "a computed value"),
        (operation("delete", "Patient.name.single()"), "`single()` takes one item"),
    ],
)
def test_what_does_not_fit_is_refused(given_operation: dict[str, Any], why: str) -> None:
    before = patient(gender="male", name=[{"text": "a"}, {"use": "usual", "text": "b"}])

    with pytest.raises(Unprocessable) as refusal:
        patched(before, operation("delete", "Patient.photo[0]"), given_operation)

    assert str(refusal.value).startswith("Operation 2 (`")
    assert why in str(refusal.value)


@pytest.mark.parametrize(
    ("parameter", "why"),
    [
        ({"name": "operaton"}, "has the name `operation`"),
        ("text", "has the name `operation`"),
        ({"name": "operation"}, "the part `type` is one of"),
        (operation("remove", "Patient.name"), "the part `type` is one of"),
        ({"name": "operation", "part": [part("type", "delete")]}, "has no part `path`"),
        (operation("delete", ""), "`path` is a `valueString`"),
        (operation("delete", "Patient.("), "is wrong at character 9"),
        (operation("delete", "Patient.name", value="x"), "takes no part `value`"),
        (operation("replace", "Patient.name"), "has no part `value`"),
        (operation("insert", "Patient.name", index="1", value="x"), "`index` is a `valueInteger`"),
        (operation("insert", "Patient.name", index=-1, value="x"), "`index` is a `valueInteger`"),
        (
            {"name": "operation", "part": [part("type", "add"), part("type", "add")]},
            "`type` is given twice",
        ),
        ({"name": "operation", "part": [5]}, "each part is an object"),
    ],
)
def test_what_is_no_patch_is_refused(parameter: Any, why: str) -> None:
    with pytest.raises((BadStructure, BadValue)) as refusal:
        patched(patient(), parameter)

    assert why in str(refusal.value)


def test_only_parameters_are_a_patch() -> None:
    with pytest.raises(BadStructure):
        fhirpath_patch.apply(patient(), patient())


def test_a_patch_of_too_many_operations_is_refused() -> None:
    one = operation("delete", "Patient.birthDate")

    with pytest.raises(TooLarge, match=f"{fhirpath_patch.MOST} at most"):
        patched(patient(), *[one] * (fhirpath_patch.MOST + 1))


@given(st.lists(st.integers(0, 9), min_size=1, max_size=6), st.data())
def test_a_move_is_a_permutation(values: list[int], data: st.DataObject) -> None:
    source, destination = (data.draw(st.integers(0, len(values) - 1)) for _ in range(2))
    before = patient(identifier=[{"value": str(value)} for value in values])

    made = patched(
        before, operation("move", "Patient.identifier", source=source, destination=destination)
    )

    expected = list(before["identifier"])
    expected.insert(destination, expected.pop(source))
    assert made["identifier"] == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "part", "valueString", "valueCode", "resource", "value"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@given(st.lists(JSON, max_size=3))
def test_any_parameters_are_applied_or_refused(parameters: list[Any]) -> None:
    patch = {"resourceType": "Parameters", "parameter": parameters}

    try:
        made = fhirpath_patch.apply(patient(), patch)
    except FhirError:
        return  # a refusal is an answer; a crash is none
    assert made == patient()
