"""Composites, row by row. https://hl7.org/fhir/R4/search.html#composite"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.conformance.searching import (
    LOINC,
    UCUM,
    Resource,
    Row,
    agrees,
    concept,
    observation,
    quantity,
    rows,
)
from tests.unit.search.conftest import Search

SYSTOLIC, DIASTOLIC = "8480-6", "8462-4"
TYPES = "http://terminology.hl7.org/CodeSystem/usage-context-type"
SNOMED = "http://snomed.info/sct"


def component(code: str, value: Any, *, system: str | None = LOINC) -> Resource:
    values = {"valueCodeableConcept": value} if "coding" in value else {"valueQuantity": value}
    return {"code": concept(system, code)} | values


def pressure(systolic: int, diastolic: int) -> Resource:
    return observation(
        code=concept(LOINC, "85354-9"),
        component=[
            component(SYSTOLIC, quantity(systolic, "mm[Hg]")),
            component(DIASTOLIC, quantity(diastolic, "mm[Hg]")),
        ],
    )


def group(*characteristics: Resource) -> Resource:
    return {
        "resourceType": "Group",
        "type": "person",
        "actual": True,
        "characteristic": [{"exclude": False} | one for one in characteristics],
    }


def value_set(*contexts: Resource) -> Resource:
    return {"resourceType": "ValueSet", "status": "draft", "useContext": list(contexts)}


def document(*related: tuple[str, str]) -> Resource:
    return {
        "resourceType": "DocumentReference",
        "status": "current",
        "content": [{"attachment": {"url": "http://acme.org/1"}}],
        "relatesTo": [{"code": code, "target": {"reference": to}} for code, to in related],
    }


def sequence(*variants: tuple[int, int]) -> Resource:
    return {
        "resourceType": "MolecularSequence",
        "coordinateSystem": 0,
        "referenceSeq": {
            "chromosome": concept("http://chromosomes", "X"),
            "referenceSeqId": concept("http://ncbi", "NC_1.1"),
            "windowStart": 100,
            "windowEnd": 200,
        },
        "variant": [{"start": start, "end": end} for start, end in variants],
    }


GLUCOSE = observation(
    code=concept(LOINC, "2339-0"), valueQuantity=quantity(Decimal("5.4"), "mg/dL")
)
EYES = observation(
    component=[
        component("left", concept(SNOMED, "blue")),
        component("right", concept(SNOMED, "brown"), system=None),
    ]
)
ODD = observation(code=concept("http://a|b", "c$d,e"), valueString="f$g")
MANY = group(
    {"code": concept("http://s", "gender"), "valueCodeableConcept": concept("http://v", "mixed")},
    {"code": concept("http://s", "owner"), "valueCodeableConcept": concept("http://v", "acme")},
    {"code": concept("http://s", "alive"), "valueBoolean": True},
    {"code": concept("http://s", "age"), "valueQuantity": quantity(3, "a")},
)
CONTEXTS = value_set(
    {"code": {"system": TYPES, "code": "age"}, "valueRange": {"low": quantity(20, "a"), "high": quantity(40, "a")}},
    {"code": {"system": TYPES, "code": "focus"}, "valueCodeableConcept": concept(SNOMED, "asthma")},
    {"code": {"system": TYPES, "code": "weight"}, "valueQuantity": quantity(70, "kg")},
)  # fmt: skip

ROWS: list[Row] = [
    # The element that holds the parts occurs once.
    *rows("code-value-quantity", GLUCOSE,
          finds=["2339-0$5.4", f"{LOINC}|2339-0$5.4", f"{LOINC}|$gt5", f"2339-0$5.4|{UCUM}|mg/dL", "2339-0$5.4||mg/dL",
                 f"2339-0$0.054|{UCUM}|g/L", f"{LOINC}|2339-0$lt6", "x$1,2339-0$5.4"],
          misses=["2339-0$5.5", "x$5.4", "http://x|2339-0$5.4", "2339-0$5.4||g", f"2339-0$gt6|{UCUM}|mg/dL"]),
    *rows("code-value-concept",
          observation(code=concept(LOINC, "883-9"), valueCodeableConcept=concept(SNOMED, "112144000")),
          finds=["883-9$112144000", f"{LOINC}|883-9${SNOMED}|112144000", f"883-9${SNOMED}|"],
          misses=["883-9$1", "1$112144000", f"883-9${LOINC}|112144000"]),
    *rows("code-value-date", observation(code=concept(LOINC, "1"), valueDateTime="2013-01-14"),
          finds=["1$2013-01-14", "1$ge2013", "1$2013"], misses=["1$2014", "2$2013", "1$gt2013"]),
    *rows("code-value-date", observation(code=concept(LOINC, "1"), valuePeriod={"start": "2013", "end": "2014"}),
          finds=["1$gt2013", "1$lt2014", "1$ap2013-05"], misses=["1$2013", "1$sa2013"]),
    *rows("code-value-string", observation(code=concept(LOINC, "1"), valueString="Ärger im Amt"),
          finds=["1$arg", "1$ärger im"], misses=["1$amt", "2$arg"]),
    *rows("chromosome-window-coordinate", sequence((1, 2)),
          finds=["X$100$200", "http://chromosomes|X$ge50$le250"], misses=["Y$100$200", "X$101$200", "X$100$gt200"]),
    *rows("referenceseqid-window-coordinate", sequence((1, 2)), finds=["NC_1.1$lt150$gt150"], misses=["NC_1.1$gt150$gt150"]),
    # It repeats: the parts must be met in one and the same.
    *rows("component-code-value-quantity", pressure(150, 80),
          finds=[f"{SYSTOLIC}$150", f"{LOINC}|{SYSTOLIC}$gt140", f"{DIASTOLIC}$80", f"{LOINC}|$gt140", f"{DIASTOLIC}$lt100",
                 f"{SYSTOLIC}$20|{UCUM}|kPa", f"{LOINC}|{SYSTOLIC}$150||mm[Hg]", f"{SYSTOLIC}$ne80", f"{LOINC}|$lt81|{UCUM}|mm[Hg]"],
          misses=[f"{SYSTOLIC}$80", f"{DIASTOLIC}$150", f"{LOINC}|{DIASTOLIC}$gt140", f"{SYSTOLIC}$lt100", "http://x|$gt140",
                  f"http://x|{SYSTOLIC}$150", f"|{SYSTOLIC}$150", f"{SYSTOLIC}$150||kPa", "85354-9$150", f"{LOINC}|$gt151",
                  f"{LOINC}|$gt20|{UCUM}|kPa", f"{SYSTOLIC}$80,{DIASTOLIC}$150"]),
    *rows("combo-code-value-quantity", pressure(150, 80),
          finds=[f"{SYSTOLIC}$150", f"{LOINC}|{DIASTOLIC}$80"], misses=[f"{DIASTOLIC}$150", "85354-9$150"]),
    *rows("combo-code-value-quantity", GLUCOSE, finds=["2339-0$5.4"], misses=["2339-0$5.5"]),
    *rows("component-code-value-quantity", GLUCOSE, misses=["2339-0$5.4"]),
    *rows("combo-code-value-quantity",
          GLUCOSE | {"component": [component("ph", quantity(7, "[pH]"))]},
          finds=["2339-0$5.4", "ph$7", f"ph$gt6|{UCUM}|[pH]"], misses=["2339-0$7", "ph$5.4", f"ph$gt8|{UCUM}|[pH]"]),
    *rows("component-code-value-concept", EYES,
          finds=["left$blue", f"{LOINC}|left${SNOMED}|blue", "|right$brown", f"right${SNOMED}|", f"{LOINC}|$blue",
                 f"{LOINC}|${SNOMED}|", f"|right${SNOMED}|brown"],
          misses=["left$brown", "right$blue", f"{LOINC}|$brown", f"|right${SNOMED}|blue", "|left$blue", "left$http://x|",
                  f"{LOINC}|right$brown", "left$|blue"]),
    *rows("combo-code-value-concept", EYES, finds=["left$blue"], misses=["left$brown"]),
    *rows("characteristic-value", MANY,
          finds=["gender$mixed", "owner$acme", "http://s|gender$http://v|mixed", "alive$true", "http://s|$acme", "x$y,owner$acme"],
          misses=["gender$acme", "owner$mixed", "alive$false", "gender$true", "age$3", "http://s|owner$http://v|mixed"]),
    *rows("context-type-quantity", CONTEXTS,
          finds=["age$gt30", f"{TYPES}|age$ge40|{UCUM}|a", "age$ap30", "weight$70", f"weight$70000|{UCUM}|g", f"age$gt300|{UCUM}|mo"],
          misses=["age$70", "weight$lt60", "age$gt40", "focus$gt1", f"age$gt480|{UCUM}|mo"]),
    *rows("context-type-value", CONTEXTS,
          finds=["focus$asthma", f"focus${SNOMED}|asthma", f"{TYPES}|focus$asthma"], misses=["age$asthma", "focus$x"]),
    *rows("relationship", document(("replaces", "DocumentReference/1"), ("appends", "DocumentReference/2")),
          finds=["replaces$DocumentReference/1", "appends$2", "http://hl7.org/fhir/document-relationship-type|appends$2", "|appends$2"],
          misses=["appends$DocumentReference/1", "replaces$2", "http://other|appends$2", "signs$1"]),
    # Two numbers of one element, and a code of the whole resource.
    *rows("chromosome-variant-coordinate", sequence((10, 20), (30, 40)),
          finds=["X$10$20", "X$ge25$le45", "http://chromosomes|X$30$gt39", "X$ne10$40"],
          misses=["X$10$40", "Y$10$20", "X$ge25$le25", "X$gt30$40", "X$ne30$40"]),
    *rows("referenceseqid-variant-coordinate", sequence((10, 20)), finds=["NC_1.1$10$20"], misses=["NC_1.1$20$10"]),
    # Separators in values.
    *rows("code-value-string", ODD, finds=["c\\$d\\,e$f", "http://a\\|b|c\\$d\\,e$f\\$g"], misses=["c\\$d\\,e$g", "c$f"]),
    *rows("component-code-value-concept",
          observation(component=[component("a$b", concept("http://x$y", "c|d"))]),
          finds=["a\\$b$c\\|d", "a\\$b$http://x\\$y|c\\|d", f"{LOINC}|a\\$b$http://x\\$y|"], misses=["a\\$b$c", "a\\$b$d"]),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_composite_is_found_as_the_specification_says(found: Search, row: Row) -> None:
    assert agrees(row, found)
