"""An instance as DICOM JSON, without bulk data.

DICOM PS3.18 §F (DICOM JSON model), §10.4.1.1.2 (metadata resources).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from dicom_node import header

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom.dataset import Dataset
    from pydicom.tag import BaseTag

INLINE: Final = 1024  # longer binary values are bulk data, bytes
_CHARSET: Final = {"vr": "CS", "Value": ["ISO_IR 192"]}


def encoded(path: Path) -> bytes:
    """Return one instance as a JSON object in UTF-8."""
    found = header.read(path)
    made = _dataset(found.dataset)
    made["00080005"] = _CHARSET
    made["00083002"] = {"vr": "UI", "Value": [found.TransferSyntaxUID]}
    return msgspec.json.encode(dict(sorted(made.items())), enc_hook=str)


def _dataset(dataset: Dataset) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for tag in list(dataset.keys()):
        element = _element(dataset, tag)
        if element is not None and "BulkDataURI" not in element:
            made[f"{tag:08X}"] = _without_bulk(element)
    return made


def _element(dataset: Dataset, tag: BaseTag) -> dict[str, Any] | None:
    """Return an element, None for one that pydicom cannot read: the others are still sent."""
    try:
        return dataset[tag].to_json_dict(_bulk, INLINE)
    except Exception:  # noqa: BLE001 - pydicom converts late and raises anything at all
        return None


def _bulk(element: Any) -> str:
    return "bulk"  # only a mark: such elements are left out


def _without_bulk(element: dict[str, Any]) -> dict[str, Any]:
    if element.get("vr") != "SQ":
        return element
    items = [
        {tag: _without_bulk(inner) for tag, inner in item.items() if "BulkDataURI" not in inner}
        for item in element.get("Value", ())
    ]
    return {**element, "Value": items}
