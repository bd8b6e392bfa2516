"""Where a Location is near to, row by row. https://hl7.org/fhir/R4/location.html#search"""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.conformance.searching import Resource, Row, agrees, rows
from tests.unit.search.conftest import Search


def at(latitude: str, longitude: str) -> Resource:
    position = {"latitude": Decimal(latitude), "longitude": Decimal(longitude)}
    return {"resourceType": "Location", "position": position}


NAME = "near"
VIENNA, FIJI = at("48.2082", "16.3738"), at("-17.5", "179.9")
ROWS: list[Row] = [
    # Bratislava is 54.6 km from Vienna, over the ground.
    *rows(NAME, VIENNA,
          finds=["48.1486|17.1077|55", "48.1486|17.1077|55|km", "48.1486|17.1077|55000|m", "48.1486|17.1077|34.1|[mi_us]",
                 "48.1486|17.1077|34.1|mi", "48.2082|16.3738|0", "48.2|16.4", "48.2|16.4||", "48.2|16.4||km",
                 "+48.2|16.4|10", "0|0|1,48.2|16.4|9", "48.2|16.4|1e1|km", "48.2082|16.3738|1|cm"],
          misses=["48.1486|17.1077|54", "48.1486|17.1077|54|km", "48.1486|17.1077|33.8|[mi_us]", "48.1486|17.1077",
                  "16.3738|48.2082|50", "-48.2082|16.3738|50", "48.2082|-16.3738|50", "48.2083|16.3738|1|m"]),
    # The date line is no border.
    *rows(NAME, FIJI, finds=["-17.5|-179.9|22", "-17.5|180|11", "-17.5|-180|11"], misses=["-17.5|-179.9|20", "17.5|179.9|50"]),
    # Near a pole all longitudes are near.
    *rows(NAME, at("89.9", "10"), finds=["89.9|-170|23", "90|0|12", "89.95|100|20"], misses=["89.9|-170|22", "90|0|11", "-90|0|99"]),
    *rows(NAME, at("-90", "0"), finds=["-89.99|123|2"], misses=["-89.9|123|2"]),
    *rows(NAME, at("0", "0"), finds=["0|0|0", "0|180|30000", "90|0|10008", "90|0|10007.6"], misses=["90|0|10007", "0|180|20000"]),
    # What says no position on Earth is nowhere.
    *rows(NAME, {"resourceType": "Location", "name": "nowhere"}, misses=["0|0|40000"]),
    *rows(NAME, at("91", "0"), misses=["90|0|40000"]),
    *rows(NAME, at("0", "181"), misses=["0|180|40000"]),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_place_is_found_by_its_distance(found: Search, row: Row) -> None:
    assert agrees(row, found)
