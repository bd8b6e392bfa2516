"""What the tables of searches share: their rows, and small resources to ask about.

https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.unit.search.conftest import Search

Resource = dict[str, Any]
UCUM = "http://unitsofmeasure.org"
LOINC = "http://loinc.org"


@dataclass(frozen=True)
class Row:
    """One line of a table: does a search find what is stored?"""

    stored: Resource
    name: str
    value: str
    found: bool

    def __str__(self) -> str:
        return f"{self.name}={self.value}-{'' if self.found else 'not-'}{_label(self.stored)}"


def _label(stored: Resource) -> str:
    values = [value for name, value in stored.items() if name not in {"resourceType", "status"}]
    return str(values[-1:]).replace(" ", "")[:60]


def rows(
    name: str,
    stored: Resource,
    *,
    finds: Iterable[str] = (),
    misses: Iterable[str] = (),
) -> Iterator[Row]:
    """Return a row for each value: those by which a resource is found, those by which not."""
    for values, found in ((finds, True), (misses, False)):
        for value in values:
            yield Row(stored, name, value, found)


def agrees(row: Row, search: Search) -> bool:
    """Return whether a search does what its row says."""
    return search(row.stored, (row.name, row.value)) is row.found


def observation(**more: Any) -> Resource:
    return {"resourceType": "Observation", "status": "final", "code": {"text": "a code"}} | more


def patient(**more: Any) -> Resource:
    return {"resourceType": "Patient"} | more


def concept(system: str | None, code: str, **more: Any) -> Resource:
    return {"coding": [({"system": system} if system else {}) | {"code": code} | more]}


def quantity(value: Any, unit: str = "mg", system: str | None = UCUM, **more: Any) -> Resource:
    coded = {"system": system, "code": unit} if system else {"unit": unit}
    return {"value": value} | coded | more
