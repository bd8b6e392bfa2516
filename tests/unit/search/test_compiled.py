"""The compiled search parameters and units, and the scripts that make them.

https://hl7.org/fhir/R4/searchparameter-registry.html
"""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from tools import compile_search, compile_ucum, manifest

PACKAGE = manifest.PROFILES.parents[1] / "shared/fhir/definitions/hl7.fhir.r4.core-4.0.1.tgz"


@pytest.mark.shared
def test_the_script_makes_the_same_parameters_again() -> None:
    if not PACKAGE.exists():
        pytest.skip("needs the shared definitions beside the checkout")

    search, compartments, left = compile_search.compile(compile_search.read(PACKAGE))

    assert search == json.loads((compile_search.OUT / "search.json").read_bytes())
    assert compartments == json.loads((compile_search.OUT / "compartments.json").read_bytes())
    # What every type has and no index answers.
    assert [line.split(":")[0] for line in sorted(left)] == [
        "Resource._content",
        "Resource._filter",
        "Resource._query",
        "Resource._text",
    ]


def test_the_table_of_units_says_whose_it_is() -> None:
    table = json.loads(compile_ucum.OUTPUT.read_bytes())

    assert table["notice"] == compile_ucum.NOTICE
    assert table["base"] == ["m", "s", "g", "rad", "K", "C", "cd"]


ESSENCE = """
<root xmlns="http://unitsofmeasure.org/ucum-essence" version="2.2">
  <prefix Code="k"><value value="1e3"/></prefix>
  <base-unit Code="K" dim="C"/>
  <unit Code="[IU]" isMetric="yes" isArbitrary="yes"><value Unit="1" value="1"/></unit>
  <unit Code="[in_i]" isMetric="no"><value Unit="cm" value="254e-2"/></unit>
  <unit Code="Cel" isMetric="yes" isSpecial="yes">
    <value Unit="cel(1 K)"><function name="Cel" value="1" Unit="K"/></value>
  </unit>
</root>
"""


def test_a_unit_keeps_its_value_its_flags_and_its_function() -> None:
    table = compile_ucum.compile(ElementTree.fromstring(ESSENCE))

    assert table["prefixes"] == {"k": "1e3"}
    assert table["units"] == {
        "[IU]": ["1", "1", "ma"],
        "[in_i]": ["254e-2", "cm", ""],
        "Cel": ["1", "K", "m", "Cel"],
    }


def test_a_prefix_without_a_value_is_no_table() -> None:
    broken = ESSENCE.replace('<value value="1e3"/>', "")

    with pytest.raises(ValueError, match="`k` has no"):
        compile_ucum.compile(ElementTree.fromstring(broken))
