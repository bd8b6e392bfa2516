"""Strings, row by row. https://hl7.org/fhir/R4/search.html#string"""

from __future__ import annotations

import pytest

from tests.conformance.searching import Row, agrees, patient, rows
from tests.unit.search.conftest import Search


def named(*given: str, family: str = "Nobody") -> dict[str, object]:
    name = {"family": family} | ({"given": list(given)} if given else {})
    return patient(name=[name])


ROWS: list[Row] = [
    # The examples of the specification.
    *rows("given", named("Eve"), finds=["eve", "Eve", "EVE", "ev", "e"], misses=["eves", "ve", "evelyn", "xeve"]),
    *rows("given", named("Evelyn"), finds=["eve", "evelyn"], misses=["lyn", "severine"]),
    *rows("given", named("Severine"), finds=["sev"], misses=["eve"]),
    *rows("given:contains", named("Eve"), finds=["eve", "EVE", "v"], misses=["evelyn"]),
    *rows("given:contains", named("Evelyn"), finds=["eve", "lyn", "vel"], misses=["evn"]),
    *rows("given:contains", named("Severine"), finds=["eve"]),
    *rows("given:exact", named("Eve"), finds=["Eve"], misses=["eve", "EVE", "Ev", "Eve ", "Evelyn"]),
    # Accents and other marks do not count, but for `:exact`.
    *rows("family", named(family="Müller"), finds=["muller", "Müller", "MÜLL", "mül"], misses=["mueller", "moller"]),
    *rows("family", named(family="Muller"), finds=["müller", "Müller"], misses=["mueller"]),
    *rows("family:exact", named(family="Müller"), finds=["Müller"], misses=["Muller", "müller"]),
    *rows("family:contains", named(family="Müller"), finds=["ull", "ÜLL"], misses=["oll"]),
    *rows("family", named(family="Ångström"), finds=["angstr", "Ångs"]),
    *rows("family", named(family="Strauß"), finds=["strauss", "STRAUSS", "strauß"], misses=["strauz"]),
    *rows("family", named(family="e\u0301clair"), finds=["\u00e9cl", "ecl"]),
    *rows("family", named(family="Ελλάδα"), finds=["ελλαδα", "ΕΛΛ"], misses=["ella"]),
    *rows("family", named(family="山田"), finds=["山", "山田"], misses=["田"]),
    *rows("family:contains", named(family="山田"), finds=["田"]),
    # White space, and punctuation, which counts.
    *rows("family", named(family="van  der\tBerg"), finds=["van der berg", "VAN  DER", "van d"], misses=["vander", "der"]),
    *rows("family:exact", named(family="van  der Berg"), finds=["van  der Berg"], misses=["van der Berg"]),
    *rows("family", named(family="O'Brien"), finds=["o'b", "O'BRIEN"], misses=["obrien"]),
    *rows("family", named(family="Smith-Jones"), finds=["smith", "smith-j"], misses=["jones"]),
    *rows("family:contains", named(family="Smith-Jones"), finds=["jones", "h-j"]),
    # Nothing in a text is a pattern.
    *rows("family:contains", named(family="a.b*c"), finds=["b*c", ".b"], misses=[".*", "a?b", "[a]", "^a", "a$"]),
    *rows("family", named(family="a.b*c"), finds=["a.b*"], misses=["a.*", "axb"]),
    # Separators that are escaped are part of the text.
    *rows("family", named(family="a,b|c$d\\e"), finds=["a\\,b", "a\\,b\\|c\\$d\\\\e", "x,a\\,b"], misses=["b|c"]),
    *rows("family:exact", named(family="a,b"), finds=["a\\,b"], misses=["a", "a b"]),
    # A list, and elements with several values.
    *rows("given", named("Anna", "Maria"), finds=["anna", "mar", "x,maria"], misses=["x,y", "anna maria"]),
    *rows("given:exact", named("Anna", "Maria"), finds=["Maria", "x,Anna"], misses=["maria,anna"]),
    # `name` and `address` look into all parts.
    *rows("name", patient(name=[{"text": "Dr. Anna B.", "prefix": ["Dr."], "family": "Braun", "suffix": ["PhD"]}]),
          finds=["dr", "braun", "phd", "dr. anna"], misses=["anna", "b."]),
    *rows("name:contains", patient(name=[{"text": "Dr. Anna B."}]), finds=["anna"], misses=["braun"]),
    *rows("address", patient(address=[{"line": ["1 Main St"], "city": "São Paulo", "postalCode": "01000", "country": "BR"}]),
          finds=["sao", "1 main", "01000", "br"], misses=["main", "paulo"]),
    *rows("address-city", patient(address=[{"city": "São Paulo", "country": "Sweden"}]), finds=["sao p"], misses=["sweden"]),
    # The sound of a name.
    *rows("phonetic", named("Robert", family="Ashcraft"), finds=["Rupert", "robert", "Ashcroft", "rubert ashcrofd", "x,Rupert"],
          misses=["Rubin", "Bobert", "robert smith"]),
    *rows("phonetic", named(family="Müller"), finds=["Muller", "Miller", "Mueller"], misses=["Meyer"]),
    *rows("phonetic:missing", patient(), finds=["true"], misses=["false"]),
    # Missing or not.
    *rows("family:missing", patient(), finds=["true"], misses=["false"]),
    *rows("family:missing", named("Eve"), finds=["false"], misses=["true"]),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_string_is_found_as_the_specification_says(found: Search, row: Row) -> None:
    assert agrees(row, found)
