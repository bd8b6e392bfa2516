"""Slices of slices, slices within slices, and what is on the way to what tells them apart.

https://hl7.org/fhir/R4/profiling.html#reslicing
"""

from __future__ import annotations

from tests.unit.conformance.profiling import Json, coded, faults, findings, sliced

OBSERVATION: Json = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}


def test_an_extension_and_a_type_may_be_on_the_way() -> None:
    flag = "http://example.org/flag"
    rule = sliced(
        "Patient",
        "Patient.name",
        [("value", f"extension('{flag}').value.ofType(code)")],
        {
            "sliceName": "flagged",
            "min": 1,
            ".extension": {"slicing": {"discriminator": [{"type": "value", "path": "url"}]}},
        },
    )
    rows = rule["differential"]["element"]
    base = "Patient.name.extension"
    rows += [
        {"path": base, "sliceName": "flag", "min": 1},
        {"path": f"{base}.url", "fixedUri": flag},
        {"path": f"{base}.value[x]", "type": [{"code": "code"}], "fixedCode": "yes"},
    ]

    def flagged(code: str) -> Json:
        name = {"family": "x", "extension": [{"url": flag, "valueCode": code}]}
        return {"resourceType": "Patient", "name": [name]}

    assert faults(flagged("yes"), rule) == []
    assert faults(flagged("no"), rule) == [("required", "Patient.name")]


def test_slices_are_sliced_again() -> None:
    rule = sliced(
        "Patient",
        "Patient.telecom",
        [("value", "system")],
        {"sliceName": "phone", "min": 1, ".system": {"min": 1, "fixedCode": "phone"}},
    )
    by_use = {"discriminator": [{"type": "value", "path": "use"}], "rules": "open"}
    rule["differential"]["element"] += [
        {
            "id": "Patient.telecom:phone",
            "path": "Patient.telecom",
            "sliceName": "phone",
            "slicing": by_use,
        },
        {
            "id": "Patient.telecom:phone/home",
            "path": "Patient.telecom",
            "sliceName": "phone/home",
            "min": 1,
        },
        {
            "id": "Patient.telecom:phone/home.use",
            "path": "Patient.telecom.use",
            "min": 1,
            "fixedCode": "home",
        },
    ]
    phone = {"system": "phone", "value": "1", "use": "home"}

    assert faults({"resourceType": "Patient", "telecom": [phone]}, rule) == []
    (found,) = findings({"resourceType": "Patient", "telecom": [phone | {"use": "work"}]}, rule)
    assert "`phone/home`" in found.diagnostics
    assert faults({"resourceType": "Patient", "telecom": [phone | {"system": "email"}]}, rule) == [
        ("required", "Patient.telecom")
    ]


def test_slices_within_slices() -> None:
    rule = sliced(
        "Observation",
        "Observation.component",
        [("pattern", "code")],
        {"sliceName": "a", "min": 1, ".code": {"patternCodeableConcept": coded("1")}},
    )
    at = "Observation.component:a.interpretation"
    path = "Observation.component.interpretation"
    rule["differential"]["element"] += [
        {
            "id": at,
            "path": path,
            "slicing": {"discriminator": [{"type": "pattern", "path": "$this"}]},
        },
        {
            "id": f"{at}:h",
            "path": path,
            "sliceName": "h",
            "min": 1,
            "patternCodeableConcept": coded("H"),
        },
    ]
    component: Json = {"code": coded("1")}

    assert faults(OBSERVATION | {"component": [component]}, rule) == [
        ("required", "Observation.component[0].interpretation")
    ]
    high = component | {"interpretation": [coded("H")]}
    assert faults(OBSERVATION | {"component": [high, {"code": coded("2")}]}, rule) == []
