"""https://hl7.org/fhir/R4/searchparameter-registry.html"""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.search import parameters
from fhir_server.search.extract import Indexed, index
from fhir_server.search.tokens import compartment_token, type_token
from kernel.errors import BadStructure

Found = Callable[..., bool]
STEP = re.compile(r"(?:[^.\[]|\[[^\]]*\])+")
EXAMPLES = Path(__file__).resolve().parents[4] / "shared/fhir/examples/r4-examples-json.tar.xz"


@pytest.fixture(scope="module")
def examples() -> list[dict[str, Any]]:
    """All official examples of R4."""
    if not EXAMPLES.exists():
        pytest.skip("needs shared/fhir/examples beside the checkout")
    with tarfile.open(EXAMPLES) as archive:
        return [
            json.load(content) for member in archive if (content := archive.extractfile(member))
        ]


def test_a_resource_has_its_type_and_nothing_that_it_does_not_say() -> None:
    assert index({"resourceType": "Basic"}) == Indexed(
        (type_token("Basic"),), (), (), (), None, None
    )


def test_parameters_on_one_element_share_one_token() -> None:
    subject = {"resourceType": "Observation", "subject": {"reference": "Patient/1"}}

    tokens = index(subject).tokens

    assert len(tokens) == 3  # the type, the reference, the compartment
    assert compartment_token("Patient/1") in tokens


@pytest.mark.parametrize(
    "resource",
    [
        {},
        {"resourceType": 5},
        {"resourceType": "Pateint"},
        {"resourceType": "Patient", "name": "Bob"},
        {"resourceType": "Patient", "name": [5]},
        {"resourceType": "Patient", "name": [{"family": {}}]},
        {"resourceType": "Patient", "name": [[{}]]},
        {"resourceType": "Patient", "gender": 5},
        {"resourceType": "Patient", "birthDate": 5},
        {"resourceType": "Patient", "identifier": [{"system": ["x"], "value": "1"}]},
        {"resourceType": "Patient", "telecom": ["x"]},
        {"resourceType": "Observation", "subject": "Patient/1"},
        {"resourceType": "Observation", "effectivePeriod": "2020"},
        {"resourceType": "Observation", "code": {"coding": [None]}},
    ],
)
def test_what_is_no_resource_is_refused(resource: dict[str, Any]) -> None:
    with pytest.raises(BadStructure):
        index(resource)


def test_every_parameter_of_the_patient_compartment_can_be_followed() -> None:
    types = [type for type in parameters.types() if parameters.compartment(type)]

    assert len(types) == 66
    assert parameters.compartment("Observation") == {"subject", "performer"}
    assert parameters.compartment("Group") == {"member.entity"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["coding", "system", "code", "value", "reference", "start", "family"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)
MEMBERS = sorted(
    {
        path.members.partition(".")[0].partition("[")[0]
        for type in ("Patient", "Observation", "Measure")
        for row in parameters.of(type).values()
        for path in row.paths
    }
)


@given(st.sampled_from(["Patient", "Observation", "Measure"]), st.sampled_from(MEMBERS), JSON)
def test_nothing_but_a_refusal_comes_of_any_json(type: str, member: str, value: Any) -> None:
    try:
        index({"resourceType": type, "id": "1", member: value})
    except BadStructure as refusal:
        assert str(refusal) == f"The resource does not have the structure of `{type}`."  # noqa: PT017


@pytest.mark.shared
def test_every_official_example_is_indexed(examples: list[dict[str, Any]]) -> None:
    for example in examples:
        indexed = index(example)

        assert type_token(example["resourceType"]) in indexed.tokens


@pytest.mark.shared
def test_what_an_official_example_says_is_found(
    found: Found, examples: list[dict[str, Any]]
) -> None:
    asked: set[tuple[str, str]] = set()
    for example in examples:
        for name, value in questions(example):
            asked.add((example["resourceType"], name))
            assert found(example, (name, value)), (example["resourceType"], example["id"], name)

    # A conversation with examples that ask nothing would pass too.
    assert len(asked) > 900


def questions(resource: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Read the values of each parameter in the plainest way, and ask for them."""
    for row in parameters.of(resource["resourceType"]).values():
        for path in row.paths if row.name != "_lastUpdated" else ():  # the store's own time
            for value in values(resource, STEP.findall(path.members))[:2]:
                if text := question(row.kind, path.datatype, value, row.targets):
                    yield row.name, text


def values(element: Any, members: list[str]) -> list[Any]:
    if isinstance(element, list):
        return [found for item in element for found in values(item, members)]
    if not members:
        return [] if element is None else [element]
    if not isinstance(element, dict):
        return []
    name, _, condition = members[0].partition("[")
    inner = element.get(name)
    if "=" in condition and inner is not None:
        member, _, wanted = condition[:-1].partition("=")
        inner = inner if isinstance(inner, list) else [inner]
        inner = [item for item in inner if item.get(member) == wanted]
    return values(inner, members[1:])


def question(kind: str, datatype: str, value: Any, targets: tuple[str, ...]) -> str | None:
    if kind == "reference":
        value = value.get("reference") if datatype == "Reference" else value
        type = (value or "").partition("/")[0]
        asked = value and value[0] != "#" and (":" in value or not targets or type in targets)
        return escape(value) if asked else None
    if kind == "date":
        if datatype in {"Period", "Timing"}:
            return None
        return str(value)
    if kind in {"number", "quantity"}:
        return question_of_quantity(datatype, value)
    if kind == "special":
        return f"{value['latitude']}|{value['longitude']}|1|m"
    if kind == "string":
        return escape(value[:500])
    return None if kind == "composite" else question_of_token(datatype, value)


def question_of_quantity(datatype: str, value: Any) -> str | None:
    if datatype in {"Range", "SampledData", "age"}:
        return None
    if not isinstance(value, dict):
        return str(value)
    if "comparator" in value or "value" not in value:
        return None
    unit = value.get("code") or value.get("unit") or value.get("currency")
    system = value.get("system", "") if "code" in value else ""
    return f"{value['value']}|{escape(system)}|{escape(unit)}" if unit else str(value["value"])


def question_of_token(datatype: str, value: Any) -> str | None:
    if datatype == "CodeableConcept":
        codings = [coding for coding in value.get("coding", []) if "code" in coding]
        return question_of_token("Coding", codings[-1]) if codings else None
    if datatype in {"Coding", "Identifier"}:
        code = value.get("code" if datatype == "Coding" else "value")
        return f"{escape(value.get('system', ''))}|{escape(code)}" if code else None
    if datatype == "ContactPoint":
        return escape(value["value"]) if "value" in value else None
    return str(value).lower() if isinstance(value, bool) else escape(value)


def escape(text: str) -> str:
    for character in "\\,|$":
        text = text.replace(character, f"\\{character}")
    return text
