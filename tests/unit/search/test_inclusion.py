"""https://hl7.org/fhir/R4/search.html#revinclude"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.search import links, parameters
from fhir_server.search.inclusion import Inclusion, read
from fhir_server.search.parameters import Known, Parameter, Path
from kernel.errors import Invalid


@pytest.mark.parametrize(
    ("name", "value", "type", "expected"),
    [
        ("_include", "Observation:subject", "Observation", Inclusion("Observation", "subject")),
        ("_include", "Observation:subject:Patient", "Observation",
         Inclusion("Observation", "subject", "Patient")),
        ("_include", "*", "Observation", Inclusion("*", "*")),
        ("_include", "*:*", "Observation", Inclusion("*", "*")),
        ("_include", "Observation:*", "Observation", Inclusion("Observation", "*")),
        ("_include", "Observation:*:Patient", "Observation",
         Inclusion("Observation", "*", "Patient")),
        ("_include", "Observation:subject", None, Inclusion("Observation", "subject")),
        ("_include:iterate", "Patient:link", "Observation",
         Inclusion("Patient", "link", iterate=True)),
        ("_include:recurse", "Patient:link", "Patient",
         Inclusion("Patient", "link", iterate=True)),
        ("_revinclude", "Provenance:target", "Patient",
         Inclusion("Provenance", "target", reverse=True)),
        ("_revinclude", "Observation:subject:Patient", "Patient",
         Inclusion("Observation", "subject", "Patient", reverse=True)),
        ("_revinclude", "*", "Patient", Inclusion("*", "*", reverse=True)),
        ("_revinclude", "Provenance:*", "Patient", Inclusion("Provenance", "*", reverse=True)),
        ("_revinclude:iterate", "Observation:has-member", "Patient",
         Inclusion("Observation", "has-member", iterate=True, reverse=True)),
    ],
)  # fmt: skip
def test_a_value_says_where_from_by_what_and_where_to(
    name: str, value: str, type: str | None, expected: Inclusion
) -> None:
    assert read(name, value, type) == expected


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("_include", "Obsrvation:subject", "`Obsrvation` in `_include` is not a resource type of"
         " R4. Did you mean `Observation`"),
        ("_include", "Observation:subjct", "`Observation` has no search parameter `subjct`. Did"
         " you mean `subject`"),
        ("_include", "Observation:zzz", "`Observation` has no search parameter `zzz`."
         " `Observation` has `based-on`, `derived-from`, `device`"),
        ("_include", "Observation:code", "`code` of `Observation` is a token parameter without"
         " references; `_include` follows references. `Observation` has `based-on`"),
        ("_include", "Observation:subject:Patint", "`Patint` in `_include` is not a resource type"
         " of R4. Did you mean `Patient`"),
        ("_include", "Observation:encounter:Patient", "`encounter` of `Observation` never refers"
         " to `Patient`, only to `Encounter`, `EpisodeOfCare`."),
        ("_include", "Observation:subject:*", "`*` in `_include` is not a resource type"),
        ("_include", "*:subject", "`*` in `_include` is not a resource type"),
        ("_include", "subject", "`Type:parameter`"),
        ("_include", "", "`Type:parameter`"),
        ("_include", "Observation:", "`Type:parameter`"),
        ("_include", "Observation:subject:", "`Type:parameter`"),
        ("_include", "Observation:subject:Patient:x", "`Type:parameter`"),
        ("_include", "Observation:subject,Observation:encounter", "Repeat it for each."),
        ("_include", "Observation:subject,encounter", "Repeat it for each."),
        ("_include:sometimes", "Observation:subject", "takes the modifier `:iterate`"),
        ("_include:iterate:iterate", "Observation:subject", "takes the modifier `:iterate`"),
        ("_include", "Patient:link", "`_include=Patient:link` starts at `Patient`, but"
         " `Observation` is searched. `_include:iterate` also follows what others include."),
        ("_revinclude", "Encounter:location", "`_revinclude=Encounter:location` ends at"
         " `Location`, but `Observation` is searched."),
        ("_revinclude", "Provenance:target:Patient", "ends at `Patient`, but `Observation`"),
        ("_revinclude", "Encounter:*:Patient", "ends at `Patient`, but `Observation`"),
    ],
)  # fmt: skip
def test_what_cannot_be_followed_is_refused_with_what_could_be(
    name: str, value: str, said: str
) -> None:
    with pytest.raises(Invalid) as refused:
        read(name, value, "Observation")

    assert said in str(refused.value)
    assert str(refused.value).endswith((".", "?"))


def test_a_type_without_references_says_so() -> None:
    with pytest.raises(Invalid, match="`Parameters` has none that can be followed"):
        read("_include", "Parameters:subject", None)


def test_every_reference_parameter_of_r4_can_be_followed_both_ways() -> None:
    rows = [row for type in parameters.types() for row in links.selected(type, "*")]

    assert len(rows) > 500
    for row in rows:
        value = f"{row.type}:{row.name}"
        target = row.targets[0] if row.targets else "Patient"
        assert read("_include", value, row.type).parameter == row.name
        assert read("_revinclude", f"{value}:{target}", target).target == target


def test_a_parameter_made_over_rest_can_be_followed_and_backwards_only_when_it_is_ready() -> None:
    path = Path("extension.friend", "friend", "Reference")
    young = Parameter("Patient", "friend", "reference", "u", (path,), ("Patient",), ready=False)
    known = Known({"Patient": {"friend": young}})

    assert read("_include", "Patient:friend", "Patient", known).selected("Patient") == (young,)
    with pytest.raises(Invalid, match="is being built"):
        read("_revinclude", "Patient:friend", "Patient", known)


@given(st.text(max_size=60), st.sampled_from(["_include", "_revinclude:iterate"]))
def test_any_text_is_read_or_refused(value: str, name: str) -> None:
    try:
        inclusion = read(name, value, "Patient")
    except Invalid:
        return
    assert inclusion.source in parameters.types() | {"*"}
