"""The shape of a mapping table: DICOM keyword, FHIR element, conversion.

DICOM PS3.6 §6 names the attributes; a keyword that is not in it stops the import.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydicom.datadict import tag_for_keyword

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydicom.dataset import Dataset


@dataclass(frozen=True, slots=True)
class Attribute:
    """One row. `convert` gets the attribute's value and returns FHIR JSON, or None to omit it."""

    keyword: str
    element: str
    convert: Callable[[Any], Any]

    def __post_init__(self) -> None:
        if tag_for_keyword(self.keyword) is None:
            raise ValueError(f"`{self.keyword}` is not a keyword of the DICOM data dictionary.")


@dataclass(frozen=True, slots=True)
class AttributeMap:
    """The rows of one FHIR element; `target` names it."""

    target: str
    rows: tuple[Attribute, ...]

    def apply(self, dataset: Dataset) -> dict[str, Any]:
        """Return the elements that the data set has something for."""
        found: dict[str, Any] = {}
        for row in self.rows:
            raw = value(dataset, row.keyword)
            mapped = None if raw is None else row.convert(raw)
            if mapped is not None:
                found[row.element] = mapped
        return found


def value(dataset: Dataset, keyword: str) -> Any:
    """Return an attribute's value; None if it is absent, empty or unreadable."""
    try:
        found = dataset.get(keyword)
    except Exception:  # noqa: BLE001 - pydicom converts late and raises anything at all
        return None
    return None if found is None or found in ("", []) else found


def items(dataset: Dataset, keyword: str) -> list[Dataset]:
    """Return the items of a sequence; none if it is absent or not one."""
    found = value(dataset, keyword)
    try:
        return [] if found is None or isinstance(found, str | bytes) else list(found)
    except TypeError:
        return []
